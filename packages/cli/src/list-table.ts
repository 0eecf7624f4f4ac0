// A list of items as people read it: place, score, id, title.
import type { Recommendation } from "@cllm4rec/recommend";
import { shortened } from "./format.js";
import { oneLine } from "./terminal.js";

/** The lines of a list, below what it is for. */
export function listTable(heading: string | null, items: readonly Recommendation[]): string {
  const rows = items.map(({ item, score, title }, rank) => {
    const place = String(rank + 1).padStart(3);
    const name = title === undefined ? "" : `  ${oneLine(shortened(title, 80))}`;
    return `  ${place}  ${score.toFixed(3).padStart(8)}  ${oneLine(item)}${name}\n`;
  });
  return `${heading === null ? "(history)" : oneLine(heading)}\n${rows.join("")}`;
}
