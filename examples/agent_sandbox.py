"""A model writes a program, a sandbox runs it: the smallest agent.

NOVITA_API_KEY=... python examples/agent_sandbox.py
"""

import asyncio
import re

from novita_async import AsyncNovita

MODEL = "deepseek/deepseek-v3.2"
ORDER = "Write a bash script that prints the first ten squares. Answer with one ```bash block and nothing else."


async def main() -> None:
    async with AsyncNovita() as novita:
        answer = await novita.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": ORDER}])
        text = answer.choices[0].message.content or ""
        block = re.search(r"```(?:bash|sh)?\n(.*?)```", text, re.DOTALL)
        script = block[1] if block else "for n in {1..10}; do echo $((n * n)); done\n"  # it does not always listen
        async with novita.sandboxes.create(lifetime=120, allow_internet_access=False) as sandbox:
            await sandbox.files.write("squares.sh", script)
            result = await sandbox.commands.run("bash squares.sh", timeout=20, check=False)
            print(result.stdout, result.stderr, f"exit code {result.exit_code}", sep="\n")


asyncio.run(main())
