"""The products of a client, each made when it is first asked for. Nothing of a product is imported before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .account import Account
    from .account.search import WebSearch
    from .gpu import GPU
    from .gpu.serverless import Serverless
    from .llm import Chat
    from .llm.batches import Batches
    from .llm.completions import TextCompletions
    from .llm.embeddings import Embeddings
    from .llm.files import Files
    from .llm.messages import Messages
    from .llm.models import Models
    from .llm.rerank import Rerank
    from .llm.responses import Responses
    from .llm.usage import UsageCounter
    from .media.audio import Audio
    from .media.facade import Media
    from .media.images import Images
    from .media.videos import Videos
    from .media.webhooks import Webhooks
    from .runtime.call import Runtime
    from .runtime.tasks import TaskSet
    from .sandbox import Sandboxes

__all__ = ["Products"]


class Products(ABC):
    """What a client has to offer."""

    @abstractmethod
    def _core(self) -> Runtime: ...

    @property
    @abstractmethod
    def tasks(self) -> TaskSet:
        """All submitted tasks, whatever the product: wait for many, resume after a crash."""

    @cached_property
    def chat(self) -> Chat:
        """Chat completions, streamed or whole."""
        from .llm import Chat

        return Chat(self._core())

    @cached_property
    def completions(self) -> TextCompletions:
        """Texts that go on where a prompt ends, streamed or whole."""
        from .llm.completions import TextCompletions

        return TextCompletions(self._core())

    @cached_property
    def embeddings(self) -> Embeddings:
        """Texts as vectors."""
        from .llm.embeddings import Embeddings

        return Embeddings(self._core())

    @cached_property
    def rerank(self) -> Rerank:
        """Documents by how well they answer a query."""
        from .llm.rerank import Rerank

        return Rerank(self._core())

    @cached_property
    def messages(self) -> Messages:
        """The Anthropic-compatible surface, streamed or whole."""
        from .llm.messages import Messages

        return Messages(self._core())

    @cached_property
    def responses(self) -> Responses:
        """OpenAI's Responses, passed through as they are."""
        from .llm.responses import Responses

        return Responses(self._core())

    @cached_property
    def models(self) -> Models:
        """The language models: what they can do and what they cost. The listing is kept for a while."""
        from .llm.models import Models

        return Models(self._core())

    @cached_property
    def usage(self) -> UsageCounter:
        """The tokens that the calls of language models used, and what they cost."""
        from .llm.usage import UsageCounter

        return UsageCounter(self._core(), self.models)

    @cached_property
    def files(self) -> Files:
        """Files of batches: upload, list, fetch."""
        from .llm.files import Files

        return Files(self._core())

    @cached_property
    def batches(self) -> Batches:
        """Many requests at once, at leisure and for less: single calls, and `run` for the round trip."""
        from .llm.batches import Batches

        return Batches(self._core(), self.tasks, self.files)

    @cached_property
    def images(self) -> Images:
        """Pictures: submit and wait, or at once where the model answers at once."""
        from .media.images import Images

        return Images(self._core(), self.tasks)

    @cached_property
    def videos(self) -> Videos:
        """Videos: submit and wait."""
        from .media.videos import Videos

        return Videos(self._core(), self.tasks)

    @cached_property
    def audio(self) -> Audio:
        """Speech, transcripts, voices and music."""
        from .media.audio import Audio

        return Audio(self._core(), self.tasks)

    @cached_property
    def media(self) -> Media:
        """The catalog of media models, and paths that it does not know."""
        from .media.facade import Media

        return Media(self._core(), self.tasks)

    @cached_property
    def webhooks(self) -> Webhooks:
        """The receiver of events: the platform tells when a task has ended."""
        from .media.webhooks import Webhooks

        return Webhooks(self._core(), self.tasks)

    @cached_property
    def sandboxes(self) -> Sandboxes:
        """Agent sandboxes: commands and files in a machine of their own."""
        from .sandbox import Sandboxes

        return Sandboxes(self._core(), self.tasks)

    @cached_property
    def gpu(self) -> GPU:
        """GPU instances and products."""
        from .gpu import GPU

        return GPU(self._core(), self.tasks)

    @cached_property
    def serverless(self) -> Serverless:
        """GPU endpoints whose workers come and go with the work, and their jobs."""
        from .gpu.serverless import Serverless

        return Serverless(self._core(), self.tasks)

    @cached_property
    def account(self) -> Account:
        """The balance, bills, budgets, keys and quotas of the account."""
        from .account import Account

        return Account(self._core())

    @cached_property
    def search(self) -> WebSearch:
        """The web: search, pages and answers, through Exa and Tavily."""
        from .account.search import WebSearch

        return WebSearch(self._core())
