"""Which topics a question asks for."""

from bot.investigation.topics import TOPICS, Question


def asked(text: str, *names: str) -> list[str]:
    question = Question(text, frozenset(text.split()), names)
    return [t.id for t in TOPICS if t.asked(question)]


def test_the_name_of_a_thing_is_no_word_for_a_topic() -> None:
    assert asked("what changed in checkout", "checkout") == ["changes"]
    assert asked("what was checked") == ["checks"]


def test_a_question_may_ask_for_several_topics() -> None:
    assert asked("who deployed and when") == ["changes", "people", "since"]
