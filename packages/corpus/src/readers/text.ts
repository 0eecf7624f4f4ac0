// Turning metadata values into plain text for documents: lists are joined, white space is collapsed, empty parts
// vanish.

/** Strings, numbers and (nested) lists of them as one line of text; null for anything else or nothing. */
export function plain(value: unknown, separator = ", "): string | null {
  if (typeof value === "string") return value.replace(/\s+/g, " ").trim() || null;
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) {
    const parts = value.map((part) => plain(part, separator)).filter((part) => part !== null);
    return [...new Set(parts)].join(separator) || null;
  }
  return null;
}

/** Joins parts into sentences: "A. B! C". Null when nothing is left. */
export function sentences(...parts: (string | null)[]): string | null {
  let joined = "";
  for (const part of parts) {
    if (part === null || part === "") continue;
    joined += joined === "" ? part : `${/[.!?…]$/.test(joined) ? " " : ". "}${part}`;
  }
  return joined || null;
}

/** "label: value", or null without a value. */
export function labelled(label: string, value: string | null): string | null {
  return value === null ? null : `${label}: ${value}`;
}

/** An id as a non-empty string; undefined for what cannot be one. */
export function idOf(value: unknown): string | undefined {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  return typeof value === "string" && value.trim() !== "" ? value : undefined;
}

/** The text with U+FFFD in place of each half of a surrogate pair, which is no character. */
export function wellFormed<T extends string | null>(text: T): T | string {
  return text === null || !/\p{Surrogate}/u.test(text) ? text : text.replace(/\p{Surrogate}/gu, "\ufffd");
}
