// MovieLens as GroupLens publishes it: ml-100k (u.data, u.item, u.user), ml-1m and ml-10m (*.dat), ml-latest and
// ml-20m… (*.csv).
// Source: the README of each archive at grouplens.org/datasets/movielens.
import { CorpusError } from "../errors.js";
import type { Description, MetadataShape, Probe, Reader } from "./reader.js";
import { loadLines } from "./records.js";
import { idOf, labelled, plain, sentences } from "./text.js";

const CSV_HEADER = "userId,movieId,rating,timestamp";
const RATING_LINE = /^\d+(\t|::)\d+\1\d(?:\.\d+)?\1\d+\s*$/;

/** The genre flags of u.item, in the order of u.genre. */
const GENRES = (
  "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|" +
  "Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"
).split("|");

/** ml-1m codes ages and occupations. */
const AGES: Readonly<Record<string, string>> = {
  1: "under 18",
  18: "18-24",
  25: "25-34",
  35: "35-44",
  45: "45-49",
  50: "50-55",
  56: "56+",
};
const OCCUPATIONS = (
  "other|academic/educator|artist|clerical/admin|college/grad student|customer service|doctor/health care|" +
  "executive/managerial|farmer|homemaker|K-12 student|lawyer|programmer|retired|sales/marketing|scientist|" +
  "self-employed|technician/engineer|tradesman/craftsman|unemployed|writer"
).split("|");

function movie(record: Readonly<Record<string, unknown>>, genres: string | null): Description | undefined {
  const id = idOf(record.id);
  if (id === undefined) return undefined;
  const title = plain(record.title);
  return { kind: "item", id, title, text: sentences(title, labelled("Genres", genres)) };
}

function genreList(value: unknown): string | null {
  return plain(
    String(value ?? "")
      .split("|")
      .filter((genre) => genre !== "(no genres listed)"),
  );
}

function person(record: Readonly<Record<string, unknown>>, coded: boolean): Description | undefined {
  const id = idOf(record.id);
  if (id === undefined) return undefined;
  const age = plain(record.age);
  const occupation = plain(record.occupation);
  return {
    kind: "user",
    id,
    title: null,
    text: sentences(
      labelled("Age", coded && age !== null ? (AGES[age] ?? age) : age),
      labelled("Gender", plain(record.gender)),
      labelled(
        "Occupation",
        coded && occupation !== null ? (OCCUPATIONS[Number(occupation)] ?? occupation) : occupation,
      ),
    ),
  };
}

/** Whether the first line is one of a metadata file that GroupLens publishes. */
function isMetadata({ lines, name }: Probe): boolean {
  const first = lines[0] ?? "";
  const bars = first.split("|").length;
  return (
    first.trim() === "movieId,title,genres" ||
    (/^\d+\|/.test(first) && (bars === 5 + GENRES.length || (bars === 5 && /\|[MF]\|/.test(first)))) ||
    (/^\d+::/.test(first) && /^(movies|users)\.dat$/.test(name))
  );
}

/** By the number of fields of the first line, which differs between all metadata files. */
function metadataShape({ lines, source }: Probe): MetadataShape {
  const first = lines[0] ?? "";
  if (first.trim() === "movieId,title,genres") {
    return {
      records: { kind: "csv", delimiter: ",", quote: "double", names: ["id", "title", "genres"], header: true },
      describe: (record) => movie(record, genreList(record.genres)),
    };
  }
  const bars = first.split("|").length;
  if (bars === 5 + GENRES.length) {
    const names = ["id", "title", "date", "video", "url", ...GENRES];
    return {
      records: { kind: "lines", separator: "|", names, skip: 0, encoding: "latin-1" },
      describe: (record) => movie(record, plain(GENRES.filter((genre) => record[genre] === "1"))),
    };
  }
  if (bars === 5) {
    const names = ["id", "age", "gender", "occupation", "zip"];
    return {
      records: { kind: "lines", separator: "|", names, skip: 0, encoding: "latin-1" },
      describe: (record) => person(record, false),
    };
  }
  const colons = first.split("::").length;
  if (colons === 3) {
    return {
      records: { kind: "lines", separator: "::", names: ["id", "title", "genres"], skip: 0, encoding: "latin-1" },
      describe: (record) => movie(record, genreList(record.genres)),
    };
  }
  if (colons === 5) {
    const names = ["id", "gender", "age", "occupation", "zip"];
    return {
      records: { kind: "lines", separator: "::", names, skip: 0, encoding: "latin-1" },
      describe: (record) => person(record, true),
    };
  }
  throw new CorpusError(
    `${source.path}:1: not a MovieLens metadata file; u.item, u.user, movies.dat, users.dat or movies.csv is ` +
      `expected, found ${JSON.stringify(first.slice(0, 80))}.`,
  );
}

export const movielens: Reader = {
  format: "movielens",
  about: "MovieLens: u.data, ratings.dat, ratings.csv; metadata u.item, u.user, movies.dat, users.dat, movies.csv",
  recognises: ({ lines }) =>
    (lines[0] ?? "").trim() === CSV_HEADER || (lines.length > 0 && lines.every((line) => RATING_LINE.test(line))),
  async load({ engine, probe }) {
    const first = probe.lines[0] ?? "";
    const header = first.trim() === CSV_HEADER;
    const separator = header ? "," : RATING_LINE.exec(first)?.[1];
    if (separator === undefined && probe.lines.length > 0) {
      throw new CorpusError(
        `${probe.source.path}:1: user, item, rating and time separated by tabs or "::", or the header ` +
          `"${CSV_HEADER}", are expected (format movielens), found ${JSON.stringify(first.slice(0, 80))}. Name the ` +
          "right `format`.",
        { options: ["format"] },
      );
    }
    return loadLines(
      engine,
      probe.source,
      { skip: header ? 1 : 0 },
      {
        from: (lines) => `(SELECT l, string_split(l, '${separator ?? ","}') AS f FROM ${lines})`,
        columns: { user: "f[1]", item: "f[2]", rating: "f[3]", timestamp: "f[4]" },
        broken: "len(f) <> 4",
        blank: "coalesce(trim(l), '') = ''",
      },
    );
  },
  describes: isMetadata,
  metadata: async ({ probe }) => metadataShape(probe),
};
