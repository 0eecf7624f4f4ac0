// Splits that come as files, one for each part: RecBole's benchmark files and LightGCN's text files. Found by their
// names.
import fs from "node:fs";
import path from "node:path";
import type { GivenPart } from "../dataset/dataset.js";
import { CorpusError } from "../errors.js";
import type { FormatName } from "./reader.js";
import { plainName } from "./source.js";

/** The files of a given split; there may be none for validation. */
export interface GivenSplit {
  readonly format: FormatName;
  readonly files: { readonly train: string; readonly validation?: string; readonly test: string };
}

interface Layout {
  readonly format: FormatName;
  /** Of the file name without compression suffix. Groups: the data set's name (may be empty) and the part. */
  readonly pattern: RegExp;
}

const LAYOUTS: readonly Layout[] = [
  { format: "recbole", pattern: /^(.+)\.(train|valid|test)\.inter$/ },
  { format: "lightgcn", pattern: /^()(train|valid|test)\.txt$/ },
];

const PARTS: Readonly<Record<string, GivenPart>> = { train: "train", valid: "validation", test: "test" };

/**
 * The given split that the inputs are: one folder with the files of a split, or these files themselves. Undefined where
 * they are none: without a file for training and one for test, or with files of other names among them.
 * @throws CorpusError if a part has more than one file, or the folder holds more than one split.
 */
export function findGivenSplit(inputs: readonly string[], format: FormatName | undefined): GivenSplit | undefined {
  const [folder] = inputs;
  const isFolder = inputs.length === 1 && folder !== undefined && fs.statSync(folder).isDirectory();
  const files = isFolder ? fs.readdirSync(folder).map((name) => path.join(folder, name)) : inputs;
  const splits: GivenSplit[] = [];
  for (const layout of LAYOUTS) {
    if (format !== undefined && layout.format !== format) continue;
    const groups = new Map<string, [part: GivenPart, file: string][]>();
    let others = 0;
    for (const file of files.toSorted()) {
      const [, name, part] = layout.pattern.exec(plainName(file)) ?? [];
      if (name === undefined || part === undefined) others++;
      // In a folder names tell data sets apart; files that are named one by one are one data set.
      else groups.set(isFolder ? name : "", [...(groups.get(isFolder ? name : "") ?? []), [PARTS[part]!, file]]);
    }
    if (!isFolder && others > 0) continue;
    for (const found of groups.values()) {
      const split = splitOf(layout.format, found);
      if (split) splits.push(split);
    }
  }
  if (splits.length > 1) {
    throw new CorpusError(
      `${folder} holds more than one split: ` +
        `${splits.map(({ files: { train } }) => path.basename(train)).join(" and ")}. Name the files of one of them ` +
        "themselves.",
    );
  }
  return splits[0];
}

function splitOf(format: FormatName, found: readonly (readonly [GivenPart, string])[]): GivenSplit | undefined {
  const parts = new Map<GivenPart, string>();
  for (const [part, file] of found) {
    const other = parts.get(part);
    if (other !== undefined)
      throw new CorpusError(`${other} and ${file} are both the part ${part} of the split: name one.`);
    parts.set(part, file);
  }
  const [train, validation, test] = [parts.get("train"), parts.get("validation"), parts.get("test")];
  if (train === undefined || test === undefined) return undefined;
  return { format, files: { train, ...(validation !== undefined && { validation }), test } };
}
