// Interactions that a program has in memory as split matrices: the steps of `prepare`, without files.
// n records, I users, J items.
import type { Csr } from "../dataset/csr.js";
import type { DatasetContent } from "../dataset/write.js";
import { CorpusUsageError } from "../errors.js";
import { decide } from "./decide.js";
import { type PrepareOptions, resolveOptions } from "./options.js";
import { PART } from "./split.js";

/** One interaction. Ids are compared as text: 7 and "7" are the same. */
export interface Interaction {
  readonly user: string | number;
  readonly item: string | number;
  /** In any unit that grows with time. */
  readonly timestamp?: number | null | undefined;
}

export interface SplitInteractionsOptions
  extends Pick<PrepareOptions, "core" | "seed" | "validationShare" | "testShare"> {
  /** Default "random"; "time" and "leave-one-out" need timestamps, or records in the order of time. */
  readonly split?: "random" | "time" | "leave-one-out";
}

/** A dataset in memory: user `u` is the u-th entry of `users`, item `j` the j-th of `items`. */
export interface SplitInteractions {
  /** [I] raw ids. */
  readonly users: readonly string[];
  /** [J] raw ids. */
  readonly items: readonly string[];
  /** [I, J] each; within a user by time where it is known, else by item. What training and evaluation take. */
  readonly train: Csr;
  readonly validation: Csr;
  readonly test: Csr;
  /** Records that a later one of the same pair replaced. */
  readonly duplicates: number;
  /** Records of users or items outside the k-core. */
  readonly outsideCore: number;
  /** For `writeDataset`, where a directory is wanted after all; titles and texts of items can be added to it. */
  readonly content: DatasetContent;
}

/**
 * Numbers, filters and splits interactions as {@link prepare} does with a file of the same records: the same indices,
 * the same parts.
 * @param records an array, a generator, a database cursor, …
 * @throws CorpusUsageError naming the option or the record, the value found and what is expected
 *
 * @example
 * const { train, validation, users, items } = await splitInteractions([{ user: "ann", item: "tea" }], { core: 0 });
 */
export async function splitInteractions(
  records: Iterable<Interaction> | AsyncIterable<Interaction>,
  options: SplitInteractionsOptions = {},
): Promise<SplitInteractions> {
  const { core, split, seed, validationShare, testShare } = resolveOptions({
    ...options,
    inputs: ["memory"],
    output: "memory",
  });
  const [users, items] = [new Ids(), new Ids()];
  const [user, item, timestamp]: [number[], number[], number[]] = [[], [], []];
  for await (const record of records) {
    user.push(users.add(idOf(record, "user", user.length)));
    item.push(items.add(idOf(record, "item", item.length)));
    timestamp.push(timeOf(record, timestamp.length));
  }
  const [userIds, itemIds] = [users.sorted(), items.sorted()];
  const pairs = {
    users: userIds.ids.length,
    items: itemIds.ids.length,
    user: Int32Array.from(user, (first) => userIds.place[first]!),
    item: Int32Array.from(item, (first) => itemIds.place[first]!),
    timestamp: Float64Array.from(timestamp),
  };
  const wellFormed = new Uint8Array(user.length).fill(1);
  const decision = decide(pairs, undefined, wellFormed, core, { method: split, seed, validationShare, testShare });
  const { part, formerUser, formerItem, duplicates, outsideCore } = decision;
  const matrix = csrMaker(pairs, part, formerUser.length, formerItem.length);
  const rawUsers = Array.from(formerUser, (former) => userIds.ids[former]!);
  const rawItems = Array.from(formerItem, (former) => itemIds.ids[former]!);
  return {
    users: rawUsers,
    items: rawItems,
    train: matrix(PART.train),
    validation: matrix(PART.validation),
    test: matrix(PART.test),
    duplicates,
    outsideCore,
    content: {
      users: rawUsers.map((rawId) => ({ rawId })),
      items: rawItems.map((rawId) => ({ rawId })),
      interactions: Array.from(part.keys())
        .filter((p) => part[p] !== PART.none)
        .map((p) => ({
          user: pairs.user[p]!,
          item: pairs.item[p]!,
          split: PARTS[part[p]!]!,
          timestamp: Number.isNaN(timestamp[p]!) ? null : timestamp[p]!,
        })),
    },
  };
}

const PARTS = { [PART.train]: "train", [PART.validation]: "validation", [PART.test]: "test" } as Readonly<
  Record<number, "train" | "validation" | "test">
>;

/** Raw ids by first appearance, and their order in a dataset. */
class Ids {
  readonly #places = new Map<string, number>();

  add(id: string): number {
    const place = this.#places.get(id) ?? this.#places.size;
    this.#places.set(id, place);
    return place;
  }

  /** By value if all are non-negative integers, else by their bytes, as `prepare` numbers them. */
  sorted(): { readonly ids: readonly string[] /** Former place → new place. */; readonly place: Int32Array } {
    const ids = [...this.#places.keys()];
    if (ids.every((id) => /^(0|[1-9][0-9]{0,17})$/.test(id))) {
      ids.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    } else {
      const bytes = new Map(ids.map((id) => [id, Buffer.from(id)]));
      ids.sort((a, b) => Buffer.compare(bytes.get(a)!, bytes.get(b)!));
    }
    const place = new Int32Array(ids.length);
    ids.forEach((id, to) => {
      place[this.#places.get(id)!] = to;
    });
    return { ids, place };
  }
}

function idOf(record: Interaction, name: "user" | "item", index: number): string {
  const id: unknown = record?.[name];
  if (typeof id === "string" && id !== "") return id;
  if (typeof id === "number" && Number.isSafeInteger(id)) return String(id);
  throw new CorpusUsageError(
    `record ${index}: found the ${name} ${shown(id)}, expected a text that is not empty or an integer`,
  );
}

function timeOf({ timestamp }: Interaction, index: number): number {
  if (timestamp === undefined || timestamp === null) return Number.NaN;
  if (Number.isFinite(timestamp)) return timestamp;
  throw new CorpusUsageError(
    `record ${index}: found the timestamp ${shown(timestamp)}, expected a finite number, or none`,
  );
}

const shown = (value: unknown): string =>
  typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));

/** Matrices of one part each, rows in the order of `interactions` of a dataset. */
function csrMaker(
  { user, item, timestamp }: { user: Int32Array; item: Int32Array; timestamp: Float64Array },
  parts: Uint8Array,
  rows: number,
  columns: number,
): (part: number) => Csr {
  const time = (p: number) => (Number.isNaN(timestamp[p]!) ? Number.NEGATIVE_INFINITY : timestamp[p]!);
  const compareTimes = (a: number, b: number) => (time(a) === time(b) ? 0 : time(a) < time(b) ? -1 : 1);
  const order = Array.from(parts.keys()).sort(
    (a, b) => user[a]! - user[b]! || compareTimes(a, b) || item[a]! - item[b]!,
  );
  return (part) => {
    const own = order.filter((p) => parts[p] === part);
    const indptr = new Int32Array(rows + 1);
    for (const p of own) indptr[user[p]! + 1]!++;
    for (let u = 0; u < rows; u++) indptr[u + 1]! += indptr[u]!;
    return { rows, columns, indptr, indices: Int32Array.from(own, (p) => item[p]!) };
  };
}
