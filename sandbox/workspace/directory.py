"""Who is in the workspace: the team, people, apps with their bot users, user groups."""

import re
from dataclasses import dataclass, field
from typing import Any

TEAM_ID = "T0SANDBOX"
SLACKBOT = "USLACKBOT"


@dataclass
class User:
    """A person, or the user side of an app. ``bot_id`` is set for the latter."""

    id: str
    name: str
    real_name: str
    bot_id: str = ""
    app_id: str = ""
    tz: str = "UTC"
    is_restricted: bool = False
    status_text: str = ""
    profile: dict[str, Any] = field(default_factory=dict)

    @property
    def is_bot(self) -> bool:
        return bool(self.bot_id)

    def shape(self) -> dict[str, Any]:
        """As users.info shows it."""
        profile = {
            "real_name": self.real_name,
            "display_name": self.name,
            "real_name_normalized": self.real_name,
            "display_name_normalized": self.name,
            "status_text": self.status_text,
            "status_emoji": "",
            "team": TEAM_ID,
            **({"bot_id": self.bot_id, "api_app_id": self.app_id} if self.is_bot else {}),
            **({} if self.is_bot else {"email": f"{self.name}@sandbox.example"}),
            **self.profile,
        }
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "name": self.name,
            "deleted": False,
            "real_name": self.real_name,
            "tz": self.tz,
            "tz_label": self.tz,
            "tz_offset": 0,
            "profile": profile,
            "is_admin": False,
            "is_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": False,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1_700_000_000,
        }


@dataclass
class App:
    """An installed app. ``classic`` ones post with subtype bot_message and a user name, as incoming webhooks of alert senders do;
    others post without a subtype, as their bot user."""

    app_id: str
    bot_id: str
    user_id: str
    name: str
    classic: bool = False
    icon_emoji: str = ""

    def bot_profile(self) -> dict[str, Any]:
        return {
            "id": self.bot_id,
            "app_id": self.app_id,
            "name": self.name,
            "icons": {"emoji": self.icon_emoji} if self.icon_emoji else {},
            "deleted": False,
            "updated": 1_700_000_000,
            "team_id": TEAM_ID,
            "user_id": self.user_id,
        }

    def bot_info(self) -> dict[str, Any]:
        """As bots.info shows it."""
        shape = self.bot_profile()
        del shape["team_id"]
        return shape


@dataclass
class Usergroup:
    id: str
    handle: str
    name: str
    users: list[str]

    def shape(self, *, with_users: bool = False) -> dict[str, Any]:
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "is_usergroup": True,
            "name": self.name,
            "handle": self.handle,
            "description": "",
            "is_external": False,
            "date_create": 1_700_000_000,
            "user_count": len(self.users),
            **({"users": list(self.users)} if with_users else {}),
        }


class Directory:
    """Everybody, by id and by name. ``bot`` is the app under test; ``me`` is the person that the page acts as."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.apps: dict[str, App] = {}
        self.usergroups: dict[str, Usergroup] = {}
        self.bot = self._install("RCA", "A0RCA", "B0RCA", "U0RCABOT", name="rca")
        self._install("Alertmanager", "A0ALERTMGR", "B0ALERTMGR", "U0ALERTMGR", classic=True, icon=":fire:")
        self._install("SigNoz", "A0SIGNOZ", "B0SIGNOZ", "U0SIGNOZ", classic=True)
        self._install("Grafana", "A0GRAFANA", "B0GRAFANA", "U0GRAFANA", icon=":bar_chart:")
        self.me = self.add_user(User("U0DANA", "dana", "Dana Reyes", tz="Europe/Berlin"))
        omar = self.add_user(User("U0OMAR", "omar", "Omar Haddad"))
        self.add_user(User(SLACKBOT, "slackbot", "Slackbot"))
        for group in (
            Usergroup("S0ONCALL", "oncall", "On-call", [self.me.id]),
            Usergroup("S0CHECKOUT", "team-checkout", "Team Checkout", [self.me.id, omar.id]),
        ):
            self.usergroups[group.id] = group

    def _install(
        self,
        title: str,
        app_id: str,
        bot_id: str,
        user_id: str,
        *,
        name: str = "",
        classic: bool = False,
        icon: str = "",
    ) -> App:
        app = App(app_id, bot_id, user_id, title, classic, icon)
        self.apps[title] = app
        self.add_user(User(user_id, name or title.lower(), title, bot_id=bot_id, app_id=app_id))
        return app

    def add_user(self, user: User) -> User:
        self.users[user.id] = user
        return user

    def app(self, name: str, *, install: bool = False) -> App:
        """The app of that name (any case). With ``install`` an unknown one is installed. Raises `LookupError`."""
        for title, app in self.apps.items():
            if title.lower() == name.lower():
                return app
        if not install:
            raise LookupError(f"no app named {name!r}; there are {', '.join(self.apps)}")
        code = re.sub(r"[^A-Z0-9]", "", name.upper())[:12] or "APP"
        code = f"{code}{len(self.apps)}"
        return self._install(name[:80], f"A0{code}", f"B0{code}", f"U0{code}", classic=True)

    def app_by_bot(self, bot_id: str) -> App | None:
        return next((app for app in self.apps.values() if app.bot_id == bot_id), None)

    def user(self, name_or_id: str) -> User:
        """A user by id or name. Raises `LookupError`."""
        found = self.users.get(name_or_id) or next(
            (user for user in self.users.values() if user.name == name_or_id.removeprefix("@")), None
        )
        if found is None:
            raise LookupError(
                f"no user {name_or_id!r}; there are {', '.join(user.name for user in self.users.values())}"
            )
        return found
