// What is known of items beside their title, and filters on it.
import fs from "node:fs/promises";
import { Problem } from "../problem.js";
import type { Condition } from "../schemas.js";

type Scalar = string | number | boolean;
export type FieldValue = Scalar | readonly Scalar[];

/** Values by field, by raw item id. */
export type ItemFields = ReadonlyMap<string, Readonly<Record<string, FieldValue>>>;

/**
 * Reads a JSONL file of `{ "item": "…", "brand": "…", "price": 9.5, "tags": ["…"] }`, one item a line.
 * @throws Error naming the line that is none
 */
export async function readItemFields(file: string): Promise<ItemFields> {
  const fields = new Map<string, Record<string, FieldValue>>();
  const lines = (await fs.readFile(file, "utf8")).split("\n");
  for (const [at, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const found = parsed(line);
    const bad = (what: string) =>
      new Error(
        `${file}:${at + 1}: ${what}; expected one JSON object a line, such as ` +
          `{"item":"B00005JS5C","brand":"…","price":9.5}`,
      );
    if (!found || typeof found.item !== "string") throw bad("found no object with a string `item`");
    const { item, ...values } = found;
    const checked: Record<string, FieldValue> = {};
    for (const [name, value] of Object.entries(values)) {
      if (value === null) continue;
      if (!isFieldValue(value))
        throw bad(`${name}: found ${JSON.stringify(value)}, neither text, number, true or false, nor a list of them`);
      checked[name] = value;
    }
    fields.set(item as string, checked);
  }
  return fields;
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

const isScalar = (value: unknown): value is Scalar => ["string", "number", "boolean"].includes(typeof value);
const isFieldValue = (value: unknown): value is FieldValue =>
  isScalar(value) || (Array.isArray(value) && value.every(isScalar));

/** The names of all fields, with `item` and `title`, which every model has. */
export function fieldNames(fields: ItemFields | undefined): string[] {
  const names = new Set(["item", "title"]);
  for (const values of fields?.values() ?? []) for (const name of Object.keys(values)) names.add(name);
  return [...names];
}

/**
 * Whether an item fulfils every condition. Of a list (of a field or of a condition) one value is enough; an item
 * without the field does not fulfil it.
 * @throws Problem 400 for a field that no item has
 */
export function itemFilter(
  conditions: Readonly<Record<string, Condition>>,
  names: readonly string[],
  fieldOf: (item: string, field: string) => FieldValue | undefined,
): (item: string) => boolean {
  for (const name of Object.keys(conditions)) {
    if (!names.includes(name)) {
      throw new Problem(
        400,
        "unknown-field",
        `filter: found the field ${JSON.stringify(name)}, expected one of ${names.join(", ")}`,
      );
    }
  }
  const tests = Object.entries(conditions).map(([name, condition]) => ({ name, fulfils: fulfilling(condition) }));
  return (item) =>
    tests.every(({ name, fulfils }) => {
      const value = fieldOf(item, name);
      return value !== undefined && [value].flat().some((one) => fulfils(one));
    });
}

function fulfilling(condition: Condition): (value: Scalar) => boolean {
  if (isScalar(condition)) return (value) => value === condition;
  if (Array.isArray(condition)) {
    const values = new Set<Scalar>(condition);
    return (value) => values.has(value);
  }
  const { contains, min, max } = condition;
  const text = contains?.toLowerCase();
  return (value) => {
    if (text !== undefined && !String(value).toLowerCase().includes(text)) return false;
    if (min === undefined && max === undefined) return true;
    return typeof value === "number" && value >= (min ?? -Infinity) && value <= (max ?? Infinity);
  };
}
