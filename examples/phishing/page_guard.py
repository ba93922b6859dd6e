"""Detection agent: a model that learns while it works proposes to block pages that look like phishing."""

from pydantic import BaseModel
from river.compose import Pipeline
from river.linear_model import LogisticRegression
from river.optim import SGD
from river.preprocessing import StandardScaler
from streamwarden import Agent, Decision, Event

REMEMBERED_PAGES = 10_000
agent = Agent()


class Page(BaseModel):
    features: dict[str, float]


class LabelledPage(Page):
    phishing: bool


def new_model() -> Pipeline:
    return StandardScaler() | LogisticRegression(optimizer=SGD(0.02))


model = new_model()
legitimate: dict[str, dict[str, float]] = {}  # the features of pages that an analyst called legitimate
blocked: dict[str, bool] = {}


@agent.on_event("page.observed")
def judge(page: Page, event: Event) -> Decision | None:
    score = model.predict_proba_one(page.features)[True]
    if score <= 0.5:  # noqa: PLR2004  # more likely legitimate than not
        return None
    parameters = {"page": event.subject, "score": score, "establishedDomain": page.features["age_of_domain"] >= 1}
    return Decision("block-page", parameters=parameters, confidence=score, reasoning=reasons(page.features, score))


@agent.on_event("page.labelled", replay=True)
def learn(page: LabelledPage, event: Event) -> None:
    model.learn_one(page.features, page.phishing)
    if not page.phishing:
        remember(legitimate, event.subject, page.features)
        learn_false_alarm(event.subject)


@agent.on_outcome("page.blocked", replay=True)
def learn_outcome(event: Event) -> None:
    remember(blocked, event.subject, True)
    learn_false_alarm(event.subject)


def learn_false_alarm(page: str) -> None:
    """Blocking a legitimate page hurts somebody: learn it twice, whichever of label and outcome came first."""
    if page in legitimate and blocked.pop(page, False):
        model.learn_one(legitimate.pop(page), False)


def remember(memory: dict, page: str, value: object) -> None:
    memory[page] = value
    if len(memory) > REMEMBERED_PAGES:
        del memory[next(iter(memory))]


def reasons(features: dict[str, float], score: float) -> str:
    """Name the three features that moved the score most, each with its part of the log-odds."""
    scaled = model["StandardScaler"].transform_one(features)
    parts = {name: value * model["LogisticRegression"].weights[name] for name, value in scaled.items()}
    strongest = sorted(parts, key=lambda name: -abs(parts[name]))[:3]
    said = ", ".join(f"{name}={features[name]:g} ({parts[name]:+.2f})" for name in strongest)
    return f"phishing with probability {score:.2f}; what counted most: {said}"
