// What a schema says of its settings: name, default, range, unit, description. Flags, help, README tables and error
// messages are made of it.
import { z } from "zod";
import { TrainingError } from "../error.js";

/** A schema of settings: every key has a description, and either a default or words for what it is by default. */
export type SettingsSchema = z.ZodObject;

/** One setting, in words and in plain data. */
export interface SettingDescription {
  readonly name: string;
  readonly description: string;
  /** What values there are, e.g. `an integer of at least 0 or "epoch"`. */
  readonly range: string;
  /** What a number counts, e.g. `tokens`. */
  readonly unit?: string;
  /** The default as JSON, or words where it depends on other things. */
  readonly default: string;
  /** The default of the paper and of its released code, where they say. */
  readonly paper?: string;
  /** How a person would give a value on one line; `none` for objects, which have a place in a file only. */
  readonly form: "number" | "text" | "switch" | "list" | "none";
  /** The words that are values, where there are any. */
  readonly words: readonly string[];
}

/** What is used of JSON Schema. */
interface Node {
  readonly type?: string | undefined;
  readonly const?: unknown | undefined;
  readonly enum?: readonly unknown[] | undefined;
  readonly anyOf?: readonly Node[] | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly exclusiveMinimum?: number | undefined;
  readonly exclusiveMaximum?: number | undefined;
  readonly items?: Node | undefined;
  readonly prefixItems?: readonly Node[] | undefined;
  readonly properties?: Readonly<Record<string, Node>> | undefined;
  readonly default?: unknown | undefined;
  readonly description?: string | undefined;
  readonly [key: string]: unknown;
}

/** Every setting of a schema, in its order. */
export function describeSettings(schema: SettingsSchema): SettingDescription[] {
  return Object.entries(nodes(schema)).map(([name, node]) => ({
    name,
    description: node.description ?? "",
    range: rangeOf(node),
    ...(typeof node.unit === "string" && { unit: node.unit }),
    default: typeof node.otherwise === "string" ? node.otherwise : JSON.stringify(node.default ?? null),
    ...(typeof node.paper === "string" && { paper: node.paper }),
    form: formOf(node),
    words: wordsOf(node),
  }));
}

/**
 * The settings with every default filled in. Other keys than the schema's are left out; `undefined` means the default.
 * @throws TrainingError naming the setting, the value found and what is expected
 */
export function parseSettings<S extends SettingsSchema>(schema: S, options: object): z.output<S> {
  const given = Object.fromEntries(Object.entries(options).filter(([name]) => name in schema.shape));
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new TrainingError(explainIssue(schema, parsed.error.issues[0], given));
}

/** One sentence about an issue that a schema of settings found: the setting, its value, what is expected. */
export function explainIssue(schema: SettingsSchema, issue: z.core.$ZodIssue | undefined, given: object): string {
  if (!issue) return "the settings do not fit their schema";
  const place = issue.path.map(String).join(".");
  if (issue.code === "custom") return issue.message;
  if (issue.code === "unrecognized_keys")
    return `${place}: unknown key ${issue.keys.map((key) => `"${key}"`).join(", ")}`;
  let node: Node | undefined = { properties: nodes(schema) };
  let value: unknown = given;
  for (const step of issue.path) {
    node = node?.properties?.[String(step)];
    value = typeof value === "object" && value !== null ? Reflect.get(value, step) : undefined;
  }
  return `${place}: found ${shown(value)}, expected ${node ? rangeOf(node) : issue.message}`;
}

function nodes(schema: SettingsSchema): Readonly<Record<string, Node>> {
  // JSON Schema is wider than what schemas of settings are made of.
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as { readonly properties?: unknown };
  return (json.properties ?? {}) as Readonly<Record<string, Node>>;
}

const shown = (value: unknown): string =>
  typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));

function rangeOf(node: Node): string {
  if (typeof node.range === "string") return node.range;
  if (node.anyOf) return node.anyOf.map(rangeOf).join(" or ");
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum) return alternatives(node.enum.map((value) => JSON.stringify(value)));
  if (node.type === "integer" || node.type === "number") return numberRange(node);
  if (node.type === "boolean") return "true or false";
  if (node.type === "array") {
    if (node.prefixItems) return `[${node.prefixItems.map((_, at) => (at === 0 ? "low" : "high")).join(", ")}]`;
    return node.items && wordsOf(node.items).length > 0 ? `a list of ${rangeOf(node.items)}` : "a list";
  }
  if (node.properties) return `{ ${Object.keys(node.properties).join(", ")} }`;
  return "text";
}

function numberRange({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Node): string {
  const noun = type === "integer" ? "an integer" : "a number";
  const low = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? minimum : undefined;
  const high = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? maximum : undefined;
  const upper =
    exclusiveMaximum !== undefined ? `below ${exclusiveMaximum}` : high !== undefined ? String(high) : undefined;
  if (exclusiveMinimum !== undefined) return `${noun} above ${exclusiveMinimum}${upper ? ` and ${upper}` : ""}`;
  if (low === undefined) return noun;
  if (upper) return `${noun} from ${low} to ${upper}`;
  return type === "integer" && low === 1 ? "a positive integer" : `${noun} of at least ${low}`;
}

function alternatives(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function formOf(node: Node): SettingDescription["form"] {
  if (node.type === "boolean") return "switch";
  if (node.type === "string" || node.enum) return "text";
  if (node.type === "integer" || node.type === "number") return "number";
  if (node.type === "array") return node.prefixItems ? "text" : "list";
  if (!node.anyOf) return "none";
  const forms = node.anyOf.map(formOf);
  if (forms.includes("text") || node.anyOf.some((one) => one.const !== undefined)) return "text";
  return forms.includes("number") ? "number" : "none";
}

function wordsOf(node: Node): readonly string[] {
  const own = [...(node.enum ?? []), ...(node.const === undefined ? [] : [node.const])].filter(isText);
  return [...own, ...(node.anyOf ?? []).flatMap(wordsOf)];
}

const isText = (value: unknown): value is string => typeof value === "string";
