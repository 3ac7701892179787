"""views.*: modals and the App Home."""

from sandbox.workspace.args import Args
from sandbox.workspace.content import with_ids
from sandbox.workspace.errors import SlackError
from sandbox.workspace.methods.registry import Json, method
from sandbox.workspace.views import View, check_view
from sandbox.workspace.world import World


def shown(world: World, view: View) -> Json:
    """Tell the page about an open view; returns the method's answer."""
    shape = view.shape(world.bot)
    kind = "home" if view.data["type"] == "home" else "view"
    world.feed.send({"type": kind, "view": {"id": view.id, "user": view.user, "view": shape}})
    return {"view": shape}


def prepared(world: World, view: object, kinds: tuple[str, ...] = ("modal",)) -> Json:
    """A view that Slack would take, with ids filled in."""
    data = check_view(view, kinds)
    with_ids(data["blocks"], world.clock)
    return data


@method("views.open")
def open_view(world: World, args: Args) -> Json:
    data = prepared(world, args.get("view"))
    user = world.views.use_trigger(args.get("trigger_id"))
    return shown(world, world.views.add(user, data))


@method("views.push")
def push(world: World, args: Args) -> Json:
    data = prepared(world, args.get("view"))
    user = world.views.use_trigger(args.get("trigger_id"))
    top = next((view for view in reversed(world.views.open.values()) if view.user == user), None)
    if top is None:
        raise SlackError("not_found")
    return shown(world, world.views.add(user, data, on=top))


@method("views.update")
def update(world: World, args: Args) -> Json:
    view = world.views.find(args.get("view_id"), args.get("external_id"))
    if "hash" in args and args.text("hash") != view.hash:
        raise SlackError("hash_conflict")
    data = prepared(world, args.get("view"), (str(view.data["type"]),))
    return shown(world, world.views.replace(view, data))


@method("views.publish")
def publish(world: World, args: Args) -> Json:
    user = args.text("user_id")
    if user not in world.directory.users:
        raise SlackError("user_not_found")
    home = world.views.homes.get(user)
    if "hash" in args and home is not None and args.text("hash") != home.hash:
        raise SlackError("hash_conflict")
    data = prepared(world, args.get("view"), ("home",))
    return shown(world, world.views.publish(user, data))
