// Metadata files → texts of the users and items that remain.
import fs from "node:fs";
import path from "node:path";
import { appendColumns } from "../duckdb/append.js";
import type { Engine } from "../duckdb/engine.js";
import { CorpusError } from "../errors.js";
import { checkFile } from "../readers/archive.js";
import { type ItemTagFiles, readItemTags, takeItemTags } from "../readers/item-tags.js";
import { loadMetadata, METADATA_TABLE } from "../readers/metadata.js";
import type { Reader } from "../readers/reader.js";
import { metadataReader, probeFile, unreadable } from "../readers/registry.js";
import { openSource } from "../readers/source.js";
import { withoutFraction } from "./float-ids.js";
import type { PrepareOptions } from "./options.js";
import { type Provenance, warnMended } from "./read-inputs.js";

export interface MetadataCounts {
  readonly provenance: readonly Provenance[];
  readonly metadata: number;
  readonly metadataMalformed: number;
  readonly metadataUnused: number;
}

/**
 * Loads the metadata files into the table `metadata`, for ids in `kept_raw_user` and `kept_raw_item` (raw_id, index).
 * @throws CorpusError if a file is damaged, is no metadata of the format, or too much of it is malformed.
 */
export async function describe(
  engine: Engine,
  reader: Reader | undefined,
  { meta = [], columns, metaColumns, quote, encoding, signal, onEvent }: PrepareOptions,
  maxMalformed: number,
): Promise<MetadataCounts> {
  await engine.run(METADATA_TABLE);
  const provenance: Provenance[] = [];
  const total = { metadata: 0, metadataMalformed: 0, metadataUnused: 0 };
  const maps = { user: new Map<string, number>(), item: new Map<string, number>() };
  if (meta.length > 0) {
    for (const kind of ["user", "item"] as const) {
      for await (const chunk of engine.chunks(`SELECT raw_id, index FROM kept_raw_${kind}`)) {
        for (const [rawId, index] of chunk.getRows()) maps[kind].set(String(rawId), Number(index));
      }
    }
  }
  const { tags, rest } = takeItemTags(meta);
  if (tags) {
    onEvent?.({ type: "stage", stage: "describe", file: tags.items });
    const counts = await loadItemTags(engine, tags, maps.item, onEvent);
    for (const file of [tags.names, tags.items]) provenance.push(await metadataProvenance(file, signal));
    total.metadata += counts.records;
    total.metadataUnused += counts.unused;
  }
  for (const file of rest) {
    onEvent?.({ type: "stage", stage: "describe", file });
    if (!fs.existsSync(file)) throw new CorpusError(`${file} does not exist`);
    if (fs.statSync(file).isDirectory())
      throw new CorpusError(`${file} is a folder: name the metadata files themselves`);
    const probe = await probeFile(engine, file, encoding);
    const own = metadataReader(probe, reader, metaColumns);
    if (own !== reader) onEvent?.({ type: "metadata", file, format: own.format });
    const shape = await own.metadata({
      ...{ engine, probe, columns, metaColumns, quote },
      warn: (message, options) => onEvent?.({ type: "warning", message, options }),
      scan: async () => undefined,
    });
    const [facts, loaded] = await Promise.allSettled([
      checkFile(file, probe.source.compression, { signal }),
      loadMetadata(engine, probe.source, shape, (kind, id) => {
        signal?.throwIfAborted();
        return maps[kind].get(id) ?? maps[kind].get(withoutFraction(id) ?? id);
      }),
    ]);
    signal?.throwIfAborted();
    if (facts.status === "rejected") throw unreadable(file, facts.reason);
    if (loaded.status === "rejected") throw unreadable(file, loaded.reason);
    const { records, malformed, unused, mended, examples } = loaded.value;
    for (const example of examples) onEvent?.({ type: "malformed", file, ...example });
    warnMended(onEvent, file, mended);
    if (malformed > 0 && (malformed > maxMalformed * records || malformed === records)) {
      throw new CorpusError(
        `${file}: ${malformed} of ${records} metadata records are malformed, more than the accepted ` +
          `${+(maxMalformed * 100).toFixed(2)}%. The first: ${examples[0]?.place}: ${examples[0]?.snippet}.`,
      );
    }
    if (records > 0 && unused === records - malformed) {
      onEvent?.({
        type: "warning",
        message: `${file}: none of its ${records} records is of a user or item of the dataset`,
      });
    }
    provenance.push({ name: path.basename(file), role: "meta", bytes: facts.value.bytes, sha256: facts.value.sha256 });
    total.metadata += records;
    total.metadataMalformed += malformed;
    total.metadataUnused += unused;
  }
  return { provenance, ...total };
}

/** Appends the items' tags to the `metadata` table; one record is one item's. */
async function loadItemTags(
  engine: Engine,
  files: ItemTagFiles,
  items: ReadonlyMap<string, number>,
  onEvent: PrepareOptions["onEvent"],
): Promise<{ records: number; unused: number }> {
  for (const file of [files.names, files.items]) {
    if (!fs.existsSync(file)) throw new CorpusError(`${file} does not exist`);
  }
  const texts = Array.from(await readItemTags(engine, files));
  const known = texts.filter(([id]) => items.has(id));
  const types = ["varchar", "integer", "integer", "varchar", "varchar"] as const;
  await appendColumns(engine, "metadata", types, known.length, (row, column) => {
    const [id, text] = known[row]!;
    return ["item", items.get(id)!, row, null, text][column]!;
  });
  if (known.length === 0 && texts.length > 0) {
    onEvent?.({ type: "warning", message: `${files.items}: none of its ${texts.length} items is in the dataset` });
  }
  return { records: texts.length, unused: texts.length - known.length };
}

async function metadataProvenance(file: string, signal: AbortSignal | undefined): Promise<Provenance> {
  const { bytes, sha256 } = await checkFile(file, openSource(file).compression, { signal });
  return { name: path.basename(file), role: "meta", bytes, sha256 };
}

/** SQL: the text of each user or item in the `metadata` table; the last record counts. */
export function latestMetadata(kind: "user" | "item"): string {
  return (
    `(SELECT index, arg_max({'title': title, 'text': "text"}, seq) AS described FROM metadata WHERE kind = ` +
    `'${kind}' GROUP BY index)`
  );
}
