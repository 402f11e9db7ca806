"""What novita_async costs, next to the least that it could cost and to the `openai` package. See README.md."""
