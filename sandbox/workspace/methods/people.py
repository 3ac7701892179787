"""Who is who: auth.test, users.*, bots.info, usergroups.*, team.info; and apps.connections.open."""

from sandbox.workspace.args import Args
from sandbox.workspace.directory import TEAM_ID
from sandbox.workspace.errors import SlackError
from sandbox.workspace.methods.conversations import page
from sandbox.workspace.methods.registry import Json, method
from sandbox.workspace.world import World


@method("api.test")
def api_test(_world: World, args: Args) -> Json:
    if args.text("error"):
        raise SlackError(args.text("error"), args=args.values)
    return {"args": args.values}


@method("auth.test")
def auth_test(world: World, _args: Args) -> Json:
    bot = world.bot
    return {
        "url": world.base_url,
        "team": "Sandbox",
        "user": world.directory.users[bot.user_id].name,
        "team_id": TEAM_ID,
        "user_id": bot.user_id,
        "bot_id": bot.bot_id,
        "app_id": bot.app_id,
        "is_enterprise_install": False,
    }


@method("apps.connections.open")
def connections_open(world: World, _args: Args) -> Json:
    address = world.base_url.replace("http://", "ws://", 1)
    return {"url": f"{address}link?ticket={world.sockets.ticket()}&app_id={world.bot.app_id}"}


@method("users.info", "users:read")
def users_info(world: World, args: Args) -> Json:
    user = world.directory.users.get(args.text("user"))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": user.shape()}


@method("users.list", "users:read")
def users_list(world: World, args: Args) -> Json:
    users, metadata = page(list(world.directory.users.values()), args, args.integer("limit", 1000))
    return {
        "members": [user.shape() for user in users],
        "cache_ts": int(world.clock.now()),
        "response_metadata": metadata,
    }


@method("users.lookupByEmail", "users:read.email")
def users_lookup(world: World, args: Args) -> Json:
    for user in world.directory.users.values():
        shape = user.shape()
        if args.text("email") and shape["profile"].get("email") == args.text("email"):
            return {"user": shape}
    raise SlackError("users_not_found")


@method("bots.info", "users:read")
def bots_info(world: World, args: Args) -> Json:
    app = world.directory.app_by_bot(args.text("bot"))
    if app is None:
        raise SlackError("bot_not_found")
    return {"bot": app.bot_info()}


@method("usergroups.list", "usergroups:read")
def usergroups_list(world: World, args: Args) -> Json:
    with_users = args.flag("include_users")
    return {"usergroups": [group.shape(with_users=with_users) for group in world.directory.usergroups.values()]}


@method("usergroups.users.list", "usergroups:read")
def usergroups_users(world: World, args: Args) -> Json:
    group = world.directory.usergroups.get(args.text("usergroup"))
    if group is None:
        raise SlackError("no_such_subteam")
    return {"users": list(group.users)}


@method("team.info", "team:read")
def team_info(world: World, _args: Args) -> Json:
    return {
        "team": {
            "id": TEAM_ID,
            "name": "Sandbox",
            "domain": "sandbox",
            "email_domain": "",
            "icon": {},
            "url": world.base_url,
        }
    }
