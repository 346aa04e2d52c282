"""How the executions of a call are run: one sequence of steps, driven by threads or by asyncio."""
