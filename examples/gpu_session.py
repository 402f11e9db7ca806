"""Order the cheapest GPU that is to be had, wait until it runs, and delete it whatever happens.

NOVITA_API_KEY=... python examples/gpu_session.py
"""

import asyncio

from novita_async import AsyncNovita
from novita_async.errors import TaskFailed


async def main() -> None:
    async with AsyncNovita() as novita:
        offers = [(offer.price, offer) for offer in await novita.gpu.products.list() if offer.available and offer.price]
        price, product = min(offers, key=lambda offer: offer[0])
        print(f"{product.name} at {price} USD an hour")
        instance = await novita.gpu.instances.create(
            product.id, image="nvidia/cuda:12.4.1-base-ubuntu22.04", command="sleep 3600", name="example"
        )
        try:
            running = await instance.wait_until("running", timeout=900)
            print("log in with:", running.ssh.ssh_command if running.ssh else "nothing")
        except TaskFailed as error:
            print("it did not come up:", error.reason)
        finally:
            await instance.delete()
            await instance.wait_until("removed", timeout=120)
            print("gone")


asyncio.run(main())
