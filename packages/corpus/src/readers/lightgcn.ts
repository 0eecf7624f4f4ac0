// LightGCN's files (He et al. 2020) and those of NGCF and KGAT before it: "user item item …" a line, a file for each
// part of the split.
// Source: github.com/gusye1234/LightGCN-PyTorch, data/. Ids are integers; the order of a line means nothing.
import { jsonl } from "./generic.js";
import type { Reader } from "./reader.js";
import { loadLines } from "./records.js";

export const lightgcn: Reader = {
  format: "lightgcn",
  about: "a folder with train.txt, test.txt and maybe valid.txt, a user's items a line (LightGCN); the split is kept",
  // A single file looks like any sequence file: only the names of a folder's files tell this format (given-split.ts).
  recognises: () => false,
  load({ engine, probe }) {
    return loadLines(
      engine,
      probe.source,
      {},
      {
        // A line with a user alone is a user without items in this part, and no record.
        from: (lines) => `(
          SELECT f, line, broken, unnest(CASE WHEN broken THEN ['-'] ELSE f[2:] END) AS item
          FROM (SELECT f, line, NOT regexp_full_match(l, '\\s*\\d+(\\s+\\d+)*\\s*') AS broken
            FROM (SELECT l, row_number() OVER () AS line, list_filter(string_split_regex(l, '\\s+'), 
              lambda x : x <> '') AS f FROM ${lines})
            WHERE coalesce(trim(l), '') <> ''))`,
        columns: { user: "f[1]", item: "item" },
        broken: "broken",
        line: "line",
      },
    );
  },
  metadata: (context) => jsonl.metadata(context),
};
