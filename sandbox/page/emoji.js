// Slack's short names for the emoji that alerts and this bot use, drawn by the reader's own emoji font: nothing is downloaded.

const TABLE = {
  "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", eyes: "👀", eye: "👁️", white_check_mark: "✅", heavy_check_mark: "✔️",
  ballot_box_with_check: "☑️", warning: "⚠️", fire: "🔥", x: "❌", negative_squared_cross_mark: "❎", no_entry: "⛔", no_entry_sign: "🚫",
  octagonal_sign: "🛑", mag: "🔍", mag_right: "🔎", link: "🔗", rotating_light: "🚨", hourglass: "⌛",
  hourglass_flowing_sand: "⏳", bell: "🔔", no_bell: "🔕", loudspeaker: "📢", mega: "📣", bulb: "💡", memo: "📝", clipboard: "📋",
  bookmark: "🔖", paperclip: "📎", page_facing_up: "📄", books: "📚", bar_chart: "📊", chart_with_upwards_trend: "📈",
  chart_with_downwards_trend: "📉", rocket: "🚀", package: "📦", whale: "🐳", wheel_of_dharma: "☸️", gear: "⚙️", wrench: "🔧",
  hammer: "🔨", hammer_and_wrench: "🛠️", lock: "🔒", unlock: "🔓", key: "🔑", shield: "🛡️", zap: "⚡", boom: "💥", bug: "🐛",
  ghost: "👻", skull: "💀", robot_face: "🤖", brain: "🧠", computer: "💻", floppy_disk: "💾", cd: "💿", electric_plug: "🔌",
  satellite_antenna: "📡", globe_with_meridians: "🌐", cloud: "☁️", thermometer: "🌡️", snowflake: "❄️", ocean: "🌊", sunny: "☀️",
  clock1: "🕐", clock3: "🕒", stopwatch: "⏱️", alarm_clock: "⏰", calendar: "📆", date: "📅", repeat: "🔁", arrows_counterclockwise: "🔄",
  rewind: "⏪", fast_forward: "⏩", arrow_right: "➡️", arrow_left: "⬅️", arrow_up: "⬆️", arrow_down: "⬇️", arrow_upper_right: "↗️",
  small_red_triangle: "🔺", small_red_triangle_down: "🔻", red_circle: "🔴", large_red_circle: "🔴", orange_circle: "🟠",
  large_orange_circle: "🟠", yellow_circle: "🟡", large_yellow_circle: "🟡", green_circle: "🟢", large_green_circle: "🟢",
  blue_circle: "🔵", large_blue_circle: "🔵", white_circle: "⚪", black_circle: "⚫", large_green_square: "🟩", large_red_square: "🟥",
  large_yellow_square: "🟨", heavy_plus_sign: "➕", heavy_minus_sign: "➖", exclamation: "❗", question: "❓", grey_question: "❔",
  information_source: "ℹ️", tada: "🎉", pray: "🙏", raised_hands: "🙌", clap: "👏", wave: "👋", point_right: "👉", ok_hand: "👌",
  thinking_face: "🤔", sweat_smile: "😅", smile: "😄", slightly_smiling_face: "🙂", heart: "❤️", star: "⭐", sparkles: "✨", 100: "💯",
  checkered_flag: "🏁", triangular_flag_on_post: "🚩", construction: "🚧", pager: "📟", ambulance: "🚑", broom: "🧹", label: "🏷️",
  speech_balloon: "💬", person_in_lotus_position: "🧘", scissors: "✂️", pushpin: "📌", round_pushpin: "📍", inbox_tray: "📥",
};

/** The character for a short name (without colons), or null when this page does not know it. */
export function emoji(name) {
  const plain = String(name ?? "").split("::")[0];
  return Object.hasOwn(TABLE, plain) ? TABLE[plain] : null;
}

/** What to show for a short name: the character, else `:name:` as Slack does for what it does not know. */
export function emojiText(name) {
  return emoji(name) ?? `:${name}:`;
}

/** Replace `:name:` in plain text. Unknown names stay as they are, so times such as 10:04:30 survive. */
export function withEmoji(text) {
  return String(text ?? "").replace(/:([a-z0-9_+-]{1,60}):/g, (whole, name) => emoji(name) ?? whole);
}
