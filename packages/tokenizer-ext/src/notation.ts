// The bracket notation of trusted strings, "<user_12> has bought <item_3>", to prompt parts and back.

/** A slot for a user token. */
export interface UserSlot {
  readonly user: number;
}
/** A slot for an item token. */
export interface ItemSlot {
  readonly item: number;
}
/** Literal text or a slot. Only slots become id tokens; a literal is encoded as data, whatever it contains. */
export type PromptPart = string | UserSlot | ItemSlot;

/** Everything that opens like an id token; the capture groups are there only if it is a canonical one. */
const OPENING = /<(?:user|item)_(?:(0|[1-9][0-9]*)>)?/g;

/** Slot contents as ids are written: `<user_12>`. */
export function slotText(slot: UserSlot | ItemSlot): string {
  return "user" in slot ? `<user_${slot.user}>` : `<item_${slot.item}>`;
}

/** A short, printable quotation for error messages. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

/**
 * Reads the bracket notation. For **trusted** strings only: whoever writes the string chooses the id tokens. Literals
 * come back unchanged, never empty and never two in a row.
 *
 * An id token is `<user_` or `<item_`, a canonical decimal number (no sign, no leading zero), `>`. Anything else that
 * opens with `<user_` or `<item_` is refused rather than read as text, so that a typing error cannot silently become
 * prose.
 *
 * @throws SyntaxError naming the position for a malformed id token; RangeError for an index outside [0, users) or [0,
 *   items).
 */
export function parsePrompt(text: string, sizes: { readonly users: number; readonly items: number }): PromptPart[] {
  const parts: PromptPart[] = [];
  let end = 0;
  for (const match of text.matchAll(OPENING)) {
    const at = match.index;
    const digits = match[1];
    if (digits === undefined) {
      throw new SyntaxError(
        `malformed id token at position ${at}: ${quote(text.slice(at, at + 48))}; expected <user_i> or <item_j> ` +
          "with a decimal number without sign or leading zero. If this is text, pass it as a literal part of " +
          "encodePrompt instead of parsing it",
      );
    }
    const kind = text.startsWith("<user_", at) ? "user" : "item";
    const count = kind === "user" ? sizes.users : sizes.items;
    // Numbers beyond 2^53 are rounded, but never down to a count, which fits 32 bits.
    const index = Number(digits);
    if (index >= count) {
      const range = count === 0 ? `there are no ${kind}s` : `expected 0 to ${count - 1}`;
      throw new RangeError(`id token ${quote(match[0])} at position ${at} is out of range, ${range}`);
    }
    if (at > end) parts.push(text.slice(end, at));
    parts.push(kind === "user" ? { user: index } : { item: index });
    end = at + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}

/**
 * Writes parts in the bracket notation; `parsePrompt` reads it back to the same parts (empty literals dropped,
 * neighbouring literals joined).
 *
 * @throws SyntaxError if the literal text would itself read as an id token: such a prompt has no bracket notation.
 */
export function formatPrompt(parts: readonly PromptPart[]): string {
  let text = "";
  let literal = "";
  const flush = (slot: string) => {
    const clash = literal.match(OPENING)?.[0];
    if (clash !== undefined) {
      throw new SyntaxError(
        `the literal ${quote(literal)} holds ${quote(clash)}, which the bracket notation would read as an id ` +
          "token; keep the prompt as parts",
      );
    }
    text += literal + slot;
    literal = "";
  };
  for (const part of parts) {
    if (typeof part === "string") literal += part;
    else flush(slotText(part));
  }
  flush("");
  return text;
}
