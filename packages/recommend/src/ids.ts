// Raw ids of one kind to rows of the tables and back.
import { distance } from "fastest-levenshtein";
import { UnknownIdError } from "./error.js";

/** So many ids are compared with an unknown one: enough for a typing error to be found, and quick for any caller. */
const COMPARED = 100_000;
const SUGGESTED = 3;

/** The ids of users or items: `ids[row]`. */
export class IdTable {
  #rows: ReadonlyMap<string, number> | undefined;

  constructor(
    readonly kind: "user" | "item",
    readonly ids: readonly string[],
  ) {}

  has(id: string): boolean {
    return this.#map().has(id);
  }

  /** @throws UnknownIdError with the nearest known ids */
  row(id: string): number {
    const row = this.#map().get(id);
    if (row !== undefined) return row;
    throw new UnknownIdError(this.kind, String(id), nearest(String(id), this.ids), this.ids);
  }

  /** Rows of distinct ids, each once, in their order. @throws UnknownIdError */
  rowsOf(ids: Iterable<string>): Int32Array {
    return Int32Array.from(new Set(Array.from(ids, (id) => this.row(id))));
  }

  #map(): ReadonlyMap<string, number> {
    this.#rows ??= new Map(this.ids.map((id, row) => [id, row]));
    return this.#rows;
  }
}

/** Up to three ids by edit distance (Levenshtein), none further away than a third of the characters. */
function nearest(id: string, ids: readonly string[]): string[] {
  const limit = Math.max(1, Math.floor(id.length / 3));
  return ids
    .slice(0, COMPARED)
    .filter((known) => Math.abs(known.length - id.length) <= limit)
    .map((known) => ({ known, apart: distance(id, known) }))
    .filter(({ apart }) => apart <= limit)
    .sort((a, b) => a.apart - b.apart)
    .slice(0, SUGGESTED)
    .map(({ known }) => known);
}
