// What the workspace looks like right now: one snapshot, then deltas. Views read it and redraw on "change".

const MAX_ACTIVITY = 400;

/** Names for ids; also what text renderers take, so it stays small. */
class Directory {
  constructor() {
    this.users = new Map();
    this.channels = new Map();
    this.groups = new Map();
    this.files = new Map();
    this.me = "";
  }

  user(id) {
    const user = this.users.get(id);
    return user ? user.profile?.display_name || user.real_name || user.profile?.real_name || user.name || "" : "";
  }

  channel(id) {
    const channel = this.channels.get(id);
    return channel?.is_im ? this.user(channel.user) : (channel?.name ?? "");
  }

  /** "#alerts", or the other one's name in a direct message. */
  place(id) {
    return this.channels.get(id)?.is_im ? this.channel(id) : `#${this.channel(id)}`;
  }

  group(id) {
    const group = this.groups.get(id);
    return group?.handle || group?.name || "";
  }

  file(id) {
    return this.files.get(id) ?? null;
  }

  /** Whether a name (not an id) is a person's here, rather than an app's. */
  isPerson(name) {
    return [...this.users.values()].some((user) => !user.is_bot && user.name === name);
  }

  isMe(id) {
    return id === this.me;
  }
}

const idOf = (value) => (typeof value === "string" ? value : (value?.user_id ?? value?.id ?? ""));
const byTs = (a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0);

function normalView(entry, user = "") {
  return entry?.view ? { id: entry.id ?? entry.view.id, user: entry.user ?? user, view: entry.view } : { id: entry?.id, user: entry?.user ?? user, view: entry };
}

function normalEphemeral(entry) {
  return entry.message ? { ...entry.message, channel: entry.channel, user_seen: entry.user } : entry;
}

export class State extends EventTarget {
  constructor() {
    super();
    this.directory = new Directory();
    this.team = {};
    this.bot = {};
    this.channels = [];
    this.messages = new Map();
    this.ephemerals = [];
    this.views = [];
    this.samples = [];
    this.statuses = new Map();
    this.activity = [];
    this.connected = false;
    this.loaded = false;
  }

  get me() {
    return this.directory.me;
  }

  changed(detail = {}) {
    this.dispatchEvent(new CustomEvent("change", { detail }));
  }

  /** Take a whole snapshot. Messages that did not change keep their identity, so their nodes are kept too. */
  load(snapshot) {
    const { directory } = this;
    this.team = snapshot.team ?? {};
    this.bot = typeof snapshot.bot === "object" && snapshot.bot ? snapshot.bot : { id: snapshot.bot };
    directory.me = idOf(snapshot.me);
    directory.users = new Map((snapshot.users ?? []).map((user) => [user.id, user]));
    directory.channels = new Map((snapshot.channels ?? []).map((channel) => [channel.id, channel]));
    directory.groups = new Map((snapshot.usergroups ?? []).map((group) => [group.id, group]));
    directory.files = new Map(Object.entries(snapshot.files ?? {}));
    this.channels = snapshot.channels ?? [];
    const before = this.messages;
    this.messages = new Map();
    for (const [channel, list] of Object.entries(snapshot.messages ?? {})) {
      const kept = before.get(channel);
      const same = (message) => {
        const old = kept?.get(message.ts);
        return old && JSON.stringify(old) === JSON.stringify(message) ? old : message;
      };
      this.messages.set(channel, new Map(list.map((message) => [message.ts, same(message)])));
    }
    this.ephemerals = (snapshot.ephemerals ?? []).map(normalEphemeral);
    this.views = (snapshot.views ?? []).map((entry) => normalView(entry));
    this.samples = snapshot.samples ?? [];
    this.statuses = new Map();
    for (const status of snapshot.statuses ?? []) this.#status(status);
    for (const line of snapshot.activity ?? []) this.#note(line);
    this.loaded = true;
    this.changed({ kind: "load" });
  }

  apply(delta) {
    const news = { kind: delta.type };
    if (delta.type === "message") {
      const list = this.#channel(delta.channel);
      news.fresh = !list.has(delta.message.ts);
      news.message = delta.message;
      news.channel = delta.channel;
      list.set(delta.message.ts, delta.message);
      for (const file of delta.message.files ?? []) if (file?.id) this.directory.files.set(file.id, { ...this.directory.files.get(file.id), ...file });
    } else if (delta.type === "message_deleted") this.#channel(delta.channel).delete(delta.ts ?? delta.deleted_ts ?? delta.message?.ts);
    else if (delta.type === "ephemeral") this.ephemerals.push(normalEphemeral(delta));
    else if (delta.type === "view") this.#view(normalView(delta.view, delta.user));
    else if (delta.type === "view_closed") this.views = this.views.filter((entry) => entry.id !== (delta.view_id ?? delta.id ?? delta.view?.id));
    else if (delta.type === "status") this.#status(delta);
    else if (delta.type === "activity") this.#note(delta);
    else if (delta.type === "file" && delta.file) this.directory.files.set(delta.file.id, delta.file);
    else if (delta.type === "state" && delta.state) {
      this.load(delta.state);
      return;
    }
    this.changed(news);
  }

  setConnected(value) {
    if (this.connected === value) return;
    this.connected = value;
    this.changed({ kind: "connection" });
  }

  closeView(id) {
    this.views = this.views.filter((entry) => entry.id !== id);
    this.changed({ kind: "view_closed" });
  }

  dismiss(ts) {
    this.ephemerals = this.ephemerals.filter((message) => message.ts !== ts);
    this.changed({ kind: "ephemeral" });
  }

  /** Messages of the channel itself, in order; replies that were also sent to the channel are among them. */
  roots(channel) {
    const all = [...this.#channel(channel).values()].filter((m) => !m.thread_ts || m.thread_ts === m.ts || m.subtype === "thread_broadcast");
    return [...all, ...this.#ephemeral(channel, "")].sort(byTs);
  }

  replies(channel, threadTs, { withEphemerals = false } = {}) {
    const all = [...this.#channel(channel).values()].filter((m) => m.thread_ts === threadTs && m.ts !== threadTs);
    return (withEphemerals ? [...all, ...this.#ephemeral(channel, threadTs)] : all).sort(byTs);
  }

  message(channel, ts) {
    return this.#channel(channel).get(ts) ?? null;
  }

  /** The thread with the newest reply, as {channel, ts}, or null. */
  newestThread() {
    let best = null;
    for (const [channel, list] of this.messages) {
      for (const m of list.values()) if (m.thread_ts && m.thread_ts !== m.ts && list.has(m.thread_ts) && (!best || m.ts > best.at)) best = { channel, ts: m.thread_ts, at: m.ts };
    }
    return best;
  }

  status(channel, threadTs) {
    return this.statuses.get(`${channel}:${threadTs ?? ""}`) ?? "";
  }

  /** The modal on top of the stack of this person, or null. */
  topView() {
    return this.views.filter((entry) => entry.view?.type === "modal" && (!entry.user || idOf(entry.user) === this.me)).at(-1) ?? null;
  }

  #channel(id) {
    if (!this.messages.has(id)) this.messages.set(id, new Map());
    return this.messages.get(id);
  }

  #ephemeral(channel, threadTs) {
    const seen = (m) => !m.user_seen || idOf(m.user_seen) === this.me;
    return this.ephemerals.filter((m) => m.channel === channel && (m.thread_ts ?? "") === threadTs && seen(m)).map((m) => (m.is_ephemeral ? m : Object.assign(m, { is_ephemeral: true })));
  }

  #view(entry) {
    const at = this.views.findIndex((known) => known.id === entry.id);
    if (at < 0) this.views = [...this.views, entry];
    else this.views = this.views.with(at, entry);
  }

  #status({ channel, thread_ts: threadTs, text }) {
    this.statuses.set(`${channel}:${threadTs ?? ""}`, text ?? "");
  }

  #note({ at, line }) {
    this.activity.push({ at, line: String(line ?? "") });
    if (this.activity.length > MAX_ACTIVITY) this.activity.splice(0, this.activity.length - MAX_ACTIVITY);
  }
}
