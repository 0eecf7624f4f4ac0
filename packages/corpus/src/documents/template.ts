// Prompt templates: a trusted string with slots, parsed once and checked against the slots that its place allows.
// The paper's prompts are the defaults (§3.3.1, §3.3.2, §3.4.2).
import { CorpusUsageError } from "../errors.js";

/** A place in a template that an id token, or the id tokens of a history, will take. */
export type Slot = "user" | "item" | "history";

/** A literal piece of a parsed template, or a slot. */
export type TemplatePart = { readonly literal: string } | { readonly slot: Slot };

/**
 * The six prompts. Each is a trusted string; `{user}`, `{item}` and `{history}` are its slots, `{{` and `}}` are
 * literal braces.
 *
 * One space before a slot is the id token's own and is not encoded (write two to keep one): words carry the space to
 * their left in the vocabularies of most models, and a space left alone before an id token would be a token that no
 * text has there.
 */
export interface Prompts {
  /** Before a user's item tokens (Eq. 4). Slot: user. */
  readonly interactions: string;
  /** Before the text that a user wrote about an item, x_ij (Eq. 5). Slots: user, item. */
  readonly review: string;
  /** Before the text of an item, x_j. Slot: item. */
  readonly itemText: string;
  /** Before the text of a user, x_i. Slot: user. */
  readonly userText: string;
  /** Around a user's history, before the prediction (Eq. 9). Slots: user, history (once). */
  readonly recommendation: string;
  /**
   * The same without the user token, for `userToken: false` and for users known only by a history. Slot: history
   * (once).
   */
  readonly historyOnly: string;
}

/** The name of one of the six prompts. */
export type PromptName = keyof Prompts;

/**
 * The paper's prompts. It words those for x_i and x_j only as "the same with that token alone", and has none without
 * the user token; these three are our wording.
 */
export const paperPrompts: Prompts = Object.freeze({
  interactions: "{user} has interacted with",
  review: "{user} writes the review for {item} :",
  itemText: "The content of {item} is :",
  userText: "The biography of {user} is :",
  recommendation: "{user} has interacted with {history} the user will interact with:",
  historyOnly: "The user has interacted with {history} the user will interact with:",
});

const required: Readonly<Record<PromptName, readonly Slot[]>> = {
  interactions: ["user"],
  review: ["user", "item"],
  itemText: ["item"],
  userText: ["user"],
  recommendation: ["user", "history"],
  historyOnly: ["history"],
};

function isPromptName(name: string): name is PromptName {
  return Object.hasOwn(required, name);
}

const show = (slots: readonly Slot[]) => slots.map((slot) => `{${slot}}`).join(" and ");

/**
 * Parses one prompt.
 *
 * @throws {@link CorpusUsageError} naming the prompt and the slot: an unknown or missing slot, `{history}` more than
 * once, a brace without its partner, or bracket notation such as `<user_3>`, which would only be encoded letter by
 * letter.
 */
export function parseTemplate(name: PromptName, template: string): readonly TemplatePart[] {
  const fail = (problem: string): never => {
    throw new CorpusUsageError(
      `prompt "${name}": ${problem} in ${JSON.stringify(template)}; it takes the slots ${show(required[name])}`,
    );
  };
  const parts: TemplatePart[] = [];
  let literal = "";
  const endLiteral = () => {
    const notation = /<(?:user|item)_[^>]*>/.exec(literal);
    if (notation) fail(`literal ${notation[0]}: write a slot where an id token belongs;`);
    if (literal !== "") parts.push({ literal });
    literal = "";
  };
  for (let at = 0; at < template.length; ) {
    const character = template[at]!;
    if ((character === "{" || character === "}") && template[at + 1] === character) {
      literal += character;
      at += 2;
    } else if (character === "{") {
      const end = template.indexOf("}", at);
      if (end < 0) fail(`"{" at character ${at} is never closed (a literal brace is "{{")`);
      const slot = required[name].find((known) => known === template.slice(at + 1, end));
      if (slot === undefined) return fail(`unknown slot ${template.slice(at, end + 1)}`);
      if (literal.endsWith(" ")) literal = literal.slice(0, -1);
      endLiteral();
      parts.push({ slot });
      at = end + 1;
    } else if (character === "}") {
      fail(`"}" at character ${at} closes nothing (a literal brace is "}}")`);
    } else {
      literal += character;
      at++;
    }
  }
  endLiteral();
  for (const slot of required[name]) {
    const uses = parts.filter((part) => "slot" in part && part.slot === slot).length;
    if (uses === 0) fail(`the slot {${slot}} is missing`);
    if (slot === "history" && uses > 1) fail(`the slot {history} occurs ${uses} times, once is allowed,`);
  }
  return parts;
}

/**
 * The paper's prompts with some of them replaced, all of them checked.
 *
 * @throws {@link CorpusUsageError} as {@link parseTemplate} does, and for a name that is none of the six.
 */
export function definePrompts(changes: Partial<Prompts> = {}): Prompts {
  const prompts: Record<PromptName, string> = { ...paperPrompts };
  for (const [name, template] of Object.entries(changes)) {
    if (!isPromptName(name)) {
      throw new CorpusUsageError(`there is no prompt "${name}"; the prompts are ${Object.keys(required).join(", ")}`);
    }
    if (template === undefined) continue;
    if (typeof template !== "string") {
      throw new CorpusUsageError(`prompt "${name}" is ${JSON.stringify(template)}; it has to be a string`);
    }
    parseTemplate(name, template);
    prompts[name] = template;
  }
  return Object.freeze(prompts);
}
