"""What the simulated models say: a few sensible sentences that take up the words of the prompt.

The same prompt and the same dice give the same text. There is no model here and no knowledge either: the sentences are
written so that they hold for nearly any subject.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

__all__ = ["answer", "grounded", "names", "subjects", "thought", "tokens", "tool_answer"]

# A word with the space before it is one token, as in most tokenizers; joined, the tokens are the text again.
_TOKEN = re.compile(r"</?think>| ?[^\W\d_]{1,12}| ?\d{1,3}| ?[^\w\s]|_|\s+")
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_LENGTH = re.compile(r"\b(\d{2,5})[ -]words?\b", re.IGNORECASE)
_MOST_WORDS = 20_000
_SENTENCES = re.compile(r"\b(a|one|two|three|four|five|[1-5])(?: short| single)? sentences?\b", re.IGNORECASE)
_NUMERALS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}

# Words that say what to do, or nothing at all, rather than what the prompt is about.
_IDLE = frozenset(
    re.findall(
        r"\w+",
        """
        a about above after again all also am an and any are as ask at be because been before being below best
        between both briefly but by can compose could define describe did do does doing down each elaborate exactly
        explain feel feels few first for from further game get give good great had happen happens haiku has have
        help here how i if in into is it its just keep kindly know let like line lines list long make many me mean
        means more most much must my name need new no nor not note now of off ok okay on once one only or other our
        out over paragraph paragraphs please poem question quick quickly really reply same say sentence sentences
        shall she short should show simple simply so some something sort story such summarise summarize take tell
        text than thank thanks that the their them then there these they thing things think this those three through
        to too two under until up us use using very want was way we well were what when where which while who whom
        why will with without word words work works would write you your yours
        """,
    )
)

_OPENERS = (
    "Let us look at {s} from close up.",
    "There is more to {s} than one sentence can hold, so here are a few.",
    "The question of {s} has a short answer and a long one; this is the one in between.",
    "A useful way into {s} is to start small.",
    "Most of what can be said about {s} fits on the back of an envelope.",
)
_WHY = (
    "The reason behind {s} is less mysterious than it looks: many small causes happen to pull the same way.",
    "If you ask why, {s} and {o} turn out to be two ends of the same thread.",
)
_BODY = (
    "Take the plainest case first: it shows most of what matters, and the exceptions make sense only after it.",
    "What surprises people is how much depends on {o}.",
    "Keep {s} and {o} apart in your mind, and half of the confusion goes away.",
    "A picture helps: imagine a river, always moving, never twice the same, and still easy to find on a map.",
    "In practice the details decide, and the details are a matter of patience rather than talent.",
    "It helps to ask what would change if {s} were not there at all.",
    "Seen over a longer time, the pattern behind {s} is calmer than any single moment of it.",
    "What holds for one holds, with a little care, for a thousand.",
    "Nobody gets {s} right at the first attempt, which is rather encouraging.",
    "The part about {o} tends to look after itself once the rest is in order.",
    "Two things are easy to overlook here: how it begins, and who has to clean up when it ends.",
    "A good test is to explain {s} to a friend without using the word itself.",
)
_CLOSERS = (
    "So begin with one small experiment, look closely, and let {s} tell you the next step.",
    "That is the heart of it; ask again and we can go deeper into {o}.",
    "I am only the simulator, but with {s} I would start exactly there.",
    "Everything else about {s} is practice.",
)
_STEPS = (
    "Write down what you expect from {s}, in one sentence.",
    "Build the smallest thing that could possibly show it.",
    "Look at {o} before you change anything.",
    "Change one thing at a time, and keep what helps.",
    "Try it with a thousand where you had one.",
    "Close what you opened, and tell somebody what you learned about {s}.",
)
_VERSES = (
    "{S}, at first light,\nlonger than the night it left,\nshorter than a breath.",
    "Nobody is here.\nOnly {s}, and the sound\nof a door left open.",
    "I came for {s}\nand stayed to hear the rain count\nevery roof in town.",
    "Between two small waves\n{s} finds the time to sit\nand look at the moon.",
)
_GREETINGS = (
    "Hello! Nice to meet you. I am the simulator's voice: ask me about anything, and I will take up your words.",
    "Hi there! It is quiet in here, and every token is free. What shall we talk about?",
)
_THOUGHTS = (
    "The user asks about {s}.",
    "A few sentences will do, so I begin with the plainest case and leave the exceptions for later.",
    "The link between {s} and {o} deserves a word.",
    "I should end with a next step.",
)
_ASIDES = ("the small print", "timing", "the first step", "what happens at the edges", "the order of things")


def tokens(text: str) -> list[str]:
    """Split a text into the simulator's tokens: words, numbers in threes, signs, white space."""
    return _TOKEN.findall(text)


def subjects(prompt: str) -> list[str]:
    """The things a prompt is about, the most telling first: runs of its words without the idle ones."""
    runs: list[list[str]] = [[]]
    last, article = 0, ""
    for match in _WORD.finditer(prompt):
        word = match[0]
        # A sign between two words ends a run, as an idle word does.
        if runs[-1] and prompt[last : match.start()].strip():
            runs.append([])
        last = match.end()
        if word.lower() in _IDLE:
            runs.append([])
            article = word.lower() if word.lower() in ("a", "an", "the") else ""
        else:
            runs[-1].append(f"{article} {word}" if article else word)
            article = ""
    found = dict.fromkeys(" ".join(run[:4]) for run in runs if run)
    # Longer is more telling; sorting is stable, so that of equals the first one named wins.
    return sorted(found, key=lambda phrase: -min(len(phrase), 16))


def names(prompt: str) -> list[str]:
    """The words of a prompt that are written large and say something: people, places, things with a name."""
    return [word for word in dict.fromkeys(_WORD.findall(prompt)) if word[0].isupper() and word.lower() not in _IDLE]


def answer(prompt: str, dice: Random) -> str:
    """Answer a prompt."""
    bare = re.sub(r"[^\w\s]", "", prompt).lower().split()
    found = subjects(prompt)
    if bare and bare[0] in {"hello", "hi", "hey"} and len(bare) <= 4:
        return dice.choice(_GREETINGS)
    fill = _filler(found, dice)
    if {"haiku", "poem", "verse"} & set(bare):
        return fill(dice.choice(_VERSES))
    if wish := _SENTENCES.search(prompt):
        wanted = wish[1].lower()
        opening = dice.choice(_WHY if "why" in bare else [sentence for sentence in _BODY if "{s}" in sentence])
        rest = dice.sample(
            [sentence for sentence in _BODY if sentence != opening], int(_NUMERALS.get(wanted, wanted)) - 1
        )
        return " ".join(fill(sentence) for sentence in (opening, *rest))
    if length := _LENGTH.search(prompt):
        return _long(min(int(length[1]), _MOST_WORDS), fill, dice)
    if bare[:1] in (["how"], ["list"]) or "steps" in bare:
        steps = _few(_STEPS, 4, dice)
        numbered = "\n".join(f"{number}. {fill(step)}" for number, step in enumerate(steps, 1))
        return f"{fill(dice.choice(_OPENERS))}\n\n{numbered}\n\n{fill(dice.choice(_CLOSERS))}"
    opening = dice.choice(_WHY if "why" in bare else _OPENERS)
    body = dice.sample(_BODY, dice.randint(2, 4))
    return " ".join(fill(sentence) for sentence in (opening, *body, dice.choice(_CLOSERS)))


def thought(prompt: str, dice: Random, *, effort: str = "") -> str:
    """What a reasoning model thinks before it answers; an effort of "low" takes less of it, "high" and "max" more."""
    fill = _filler(subjects(prompt), dice)
    sentences = _THOUGHTS[:2] if effort in ("minimal", "low") else _THOUGHTS
    if effort in ("high", "xhigh", "max"):
        sentences = (*_THOUGHTS[:-1], *dice.sample(_BODY, 4), _THOUGHTS[-1])
    return " ".join(fill(sentence) for sentence in sentences)


def tool_answer(results: list[tuple[str, str]], dice: Random) -> str:
    """Answer after tools have run. Each result is a tool's name and its text, which is quoted whole."""
    quoted = "; ".join(f"{name} says {_plain(text)}" for name, text in results)
    tail = dice.choice(("That settles it.", "So there is your answer.", "I would trust that and go on."))
    return f"I have looked it up: {quoted}. {tail}"


def grounded(text: str, dice: Random) -> str:
    """The sentences of a text as a model that reads pictures finds them: each with the box in which it stands."""
    lines: list[str] = []
    for number, sentence in enumerate(text.split(". ")):
        left, top = dice.randint(20, 120), 40 + 90 * number
        box = f"[[{left}, {top}, {left + dice.randint(400, 800)}, {top + 60}]]"
        lines.append(f"<|ref|>text<|/ref|><|det|>{box}<|/det|>\n{sentence.rstrip('.')}.")
    return "\n\n".join(lines)


def _plain(text: str) -> str:
    """A tool's text as a person would say it: a JSON object becomes `name: value` pairs."""
    try:
        value: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text.strip() or "nothing"
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        if not any(isinstance(item, dict | list) for item in pairs.values()):
            return ", ".join(f"{name}: {item}" for name, item in pairs.items()) or "nothing"
    return text.strip()


def _filler(found: list[str], dice: Random) -> Callable[[str], str]:
    """Puts a prompt's subjects into a sentence."""
    subject = found[0] if found else "it"
    other = found[1] if len(found) > 1 else dice.choice(_ASIDES)

    def fill(sentence: str) -> str:
        text = sentence.format(s=subject, o=other, S=subject[:1].upper() + subject[1:])
        return text[:1].upper() + text[1:]

    return fill


def _few(sentences: tuple[str, ...], count: int, dice: Random) -> list[str]:
    """So many of them, in their own order."""
    return [sentences[index] for index in sorted(dice.sample(range(len(sentences)), count))]


def _long(words: int, fill: Callable[[str], str], dice: Random) -> str:
    """A text of about so many words, for prompts that ask for it: it ends with the sentence that reaches them."""
    parts = [fill(dice.choice(_OPENERS))]
    count = len(parts[0].split())
    while count < words:
        for sentence in dice.sample(_BODY, len(_BODY)):
            if count < words:
                parts.append(fill(sentence))
                count += len(parts[-1].split())
    return " ".join(parts)
