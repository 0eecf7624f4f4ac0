// What `tune` searches: settings by their place in the configuration, and what each may be.
import fs from "node:fs";
import type { Dimension, SearchSpace } from "@cllm4rec/training/search";
import { z } from "zod";
import { reasonOf, UsageError } from "../errors.js";
import { parseJsonWithComments } from "../settings/jsonc.js";

const range = z.tuple([z.number(), z.number()]);
const dimensionSchema = z.union([
  z.array(z.json()).min(1),
  z.strictObject({ low: z.number(), high: z.number(), scale: z.enum(["linear", "log"]).optional() }),
  z.strictObject({
    low: z.int(),
    high: z.int(),
    integer: z.literal(true),
    scale: z.enum(["linear", "log"]).optional(),
  }),
  /** Between these multiples of the default, on a log scale. */
  z.strictObject({ timesDefault: range }),
]);
const spaceSchema = z.record(z.string(), dimensionSchema);

/** As a file has it. */
export type SpaceSpecification = z.output<typeof spaceSchema>;

/** What decides the score or the budget, or changes nothing that is trained. */
const FIXED = new Set(
  (
    "data backbone out engine threads minutes saveEverySeconds report blend method seed finetune.epochs " +
    "finetune.metrics finetune.selectBy finetune.validateEvery finetune.patience"
  ).split(" "),
);

const COMMON: SpaceSpecification = {
  "finetune.learningRate": { timesDefault: [0.2, 5] },
  "finetune.dropout": [0, 0.1, 0.2, 0.4],
  "finetune.batch": [64, 128, 256],
  "finetune.maskedShare": [[0.2, 0.8], [0.1, 0.5], [0.5, 0.9], 0.5],
};

/** What is searched unless a file says otherwise. @param hasTextMap whether the run learns a map from texts */
export function defaultSpace(hasTextMap: boolean): SpaceSpecification {
  if (!hasTextMap) return { ...COMMON, "finetune.lambdaC": { low: 0.01, high: 1, scale: "log" } };
  return {
    ...COMMON,
    "finetune.textMapLearningRate": { timesDefault: [0.2, 5] },
    "finetune.lambdaL": { timesDefault: [0.1, 10] },
  };
}

/** @throws UsageError naming the file and the setting whose range is none */
export function readSpace(file: string): SpaceSpecification {
  let json: unknown;
  try {
    json = parseJsonWithComments(fs.readFileSync(file, "utf8"));
  } catch (error) {
    throw new UsageError(`${file}: cannot be read as JSON (${reasonOf(error)}); --space names a file of settings`);
  }
  const parsed = spaceSchema.safeParse(json);
  if (!parsed.success) {
    const [place] = parsed.error.issues[0]?.path ?? [];
    const found = typeof json === "object" && json !== null && place !== undefined ? Reflect.get(json, place) : json;
    throw new UsageError(
      `${file}: ${place === undefined ? "" : `${String(place)}: `}found ${JSON.stringify(found)}, expected ` +
        '{ "finetune.dropout": [0, 0.1], "finetune.learningRate": { "low": 1e-4, "high": 1e-2, "scale": "log" } }, ' +
        'or { "timesDefault": [0.2, 5] } as a range',
    );
  }
  const fixed = Object.keys(parsed.data).find((place) => FIXED.has(place));
  if (fixed !== undefined) throw new UsageError(`${file}: ${fixed} cannot be searched; leave it out`);
  return parsed.data;
}

/**
 * The space in numbers.
 * @param defaults where multiples of a default take it from
 * @throws UsageError naming `source` and a setting whose default is no positive number
 */
export function resolveSpace(
  specification: SpaceSpecification,
  defaults: { readonly [section in "pretrain" | "finetune"]: object },
  source: string,
): SearchSpace {
  const resolved = Object.entries(specification).map(([place, dimension]): [string, Dimension] => {
    if (Array.isArray(dimension)) return [place, { values: dimension }];
    if (!("timesDefault" in dimension)) return [place, dimension];
    const value = valueAt(defaults, place);
    if (typeof value !== "number" || value <= 0) {
      throw new UsageError(
        `${source}: ${place}: its default is ${JSON.stringify(value) ?? "none"}, and a multiple of that is no range; ` +
          'give "low" and "high"',
      );
    }
    const [low, high] = dimension.timesDefault.map((factor) => Number((factor * value).toPrecision(3)));
    return [place, { low: low!, high: high!, scale: "log" }];
  });
  return Object.fromEntries(resolved);
}

function valueAt(config: object, place: string): unknown {
  let found: unknown = config;
  for (const step of place.split(".")) {
    found = typeof found === "object" && found !== null ? Reflect.get(found, step) : undefined;
  }
  return found;
}
