"""Run the cheapest GPU that is to be had for as long as a block, whatever happens in it.

NOVITA_API_KEY=... python examples/gpu_session.py
"""

import asyncio

from novita_async import AsyncNovita
from novita_async.errors import OutOfStock, TaskFailed


async def main() -> None:
    async with AsyncNovita() as novita:
        offers = await novita.gpu.products.find(max_price=1)
        for offer in offers:
            print(f"{offer.name} at {offer.price} USD an hour")
        session = novita.gpu.instances.session(
            offers, image="nvidia/cuda:12.4.1-base-ubuntu22.04", command="sleep 3600", ports=["8000/http"], stall=600
        )
        try:
            async with session:
                print("log in with:", session.ssh.ssh_command)
                print("port 8000 is at", session.endpoint(8000))
        except OutOfStock:
            print("all of them were taken meanwhile")
        except TaskFailed as error:
            print("it did not come up:", error.reason)
        print("gone")


asyncio.run(main())
