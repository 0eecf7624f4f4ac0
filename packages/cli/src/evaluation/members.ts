// The members of a blend as a table.
import type { BlendMember } from "@cllm4rec/recommend";
import { oneLine } from "../terminal.js";

/** A line a member: its weight, its metrics alone, and what the blend loses without it. */
export function membersTable(members: readonly BlendMember[]): string {
  const [first] = members;
  if (!first) return "";
  const names = Object.keys(first.alone);
  const width = Math.max(...members.map(({ name }) => name.length), "member".length);
  const head = ["weight", ...names, "contribution"].map((name) => name.padStart(14)).join("");
  const rows = members.map(({ name, weight, alone, contribution }) => {
    const numbers = [
      weight === 0 ? "dropped" : weight.toFixed(3),
      ...names.map((metric) => alone[metric]?.toFixed(4) ?? ""),
      weight === 0 ? "" : contribution.toFixed(4),
    ];
    return `  ${oneLine(name).padEnd(width)}${numbers.map((text) => text.padStart(14)).join("")}`;
  });
  return `  ${"member".padEnd(width)}${head}\n${rows.map((row) => `${row.trimEnd()}\n`).join("")}`;
}
