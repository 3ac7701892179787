// Slack's timestamps ("1763800000.000100", seconds) in the reader's own zone and words.

const seconds = (ts) => Number.parseFloat(ts) || 0;
const of = (ts) => new Date(seconds(ts) * 1000);
const format = (options) => new Intl.DateTimeFormat("en-US", options);

const TIME = format({ hour: "numeric", minute: "2-digit" });
const TIME_SECONDS = format({ hour: "numeric", minute: "2-digit", second: "2-digit" });
const LONG_DAY = format({ weekday: "long", month: "long", day: "numeric" });
const MONTH_DAY = format({ month: "short", day: "numeric" });

function ordinal(day) {
  const teen = day % 100 >= 11 && day % 100 <= 13;
  return `${day}${teen ? "th" : { 1: "st", 2: "nd", 3: "rd" }[day % 10] ?? "th"}`;
}

export const clock = (ts) => TIME.format(of(ts));
export const shortClock = (ts) => TIME.format(of(ts)).replace(/\s?[AP]M$/, "");
export const dayKey = (ts) => of(ts).toDateString();

export function dayLabel(ts, now = Date.now()) {
  const date = of(ts);
  if (date.toDateString() === new Date(now).toDateString()) return "Today";
  if (date.toDateString() === new Date(now - 86_400_000).toDateString()) return "Yesterday";
  return LONG_DAY.format(date).replace(/\d+$/, (day) => ordinal(Number(day)));
}

export const full = (ts) => `${dayLabel(ts)} at ${TIME_SECONDS.format(of(ts))}`;

/** "3 minutes ago", as under a thread's parent. */
export function ago(ts, now = Date.now()) {
  const past = Math.max(0, now / 1000 - seconds(ts));
  if (past < 50) return "just now";
  if (past < 3600) return Math.max(1, Math.round(past / 60)) === 1 ? "1 minute ago" : `${Math.round(past / 60)} minutes ago`;
  if (dayLabel(ts, now) === "Today") return `today at ${clock(ts)}`;
  return `${MONTH_DAY.format(of(ts))} at ${clock(ts)}`;
}

/** The tokens of `<!date^unix^pattern^link|fallback>`. Unknown tokens stay; a broken time gives null. */
export function datePattern(unix, pattern) {
  const value = Number(unix);
  if (!Number.isFinite(value) || Math.abs(value) > 8e12) return null;
  const date = new Date(value * 1000);
  if (Number.isNaN(date.getTime())) return null;
  const near = dayLabel(unix);
  const relative = near === "Today" || near === "Yesterday" ? near.toLowerCase() : null;
  const long = () => format({ month: "long", day: "numeric", year: "numeric" }).format(date);
  const short = () => format({ month: "short", day: "numeric", year: "numeric" }).format(date);
  const full = () => format({ weekday: "long", month: "long", day: "numeric", year: "numeric" }).format(date);
  const tokens = {
    date_num: () => date.toISOString().slice(0, 10), date_slash: () => format({ year: "numeric", month: "2-digit", day: "2-digit" }).format(date),
    date: long, date_short: short, date_long: full, date_pretty: () => relative ?? long(), date_short_pretty: () => relative ?? short(),
    date_long_pretty: () => relative ?? full(), time: () => TIME.format(date), time_secs: () => TIME_SECONDS.format(date), ago: () => ago(unix),
  };
  return String(pattern).replace(/\{([a-z_]{1,30})\}/g, (whole, name) => (Object.hasOwn(tokens, name) ? tokens[name]() : whole));
}

/** "9 kB": sizes of files. */
export function bytes(count) {
  const n = Number(count) || 0;
  if (n < 1000) return `${n} B`;
  return n < 1_000_000 ? `${Math.round(n / 1000)} kB` : `${(n / 1_000_000).toFixed(1)} MB`;
}
