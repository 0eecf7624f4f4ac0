// A notice where held-out reviews are in training word for word.
import path from "node:path";
import { prepare } from "@cllm4rec/corpus";
import { sharedPath } from "@cllm4rec/testing";
import { expect, test } from "vitest";
import { jsonLines, prepared, temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();

const review = (user: string, item: string, time: number, reviewText: string | null) => ({
  reviewerID: user,
  asin: item,
  overall: 5,
  unixReviewTime: time,
  ...(reviewText !== null && { reviewText }),
});

test("counted by text, and by user and text; reviews without text do not count", async () => {
  const inputs = [
    folder.write(
      "repeated.json",
      jsonLines([
        review("ann", "red cup", 1, "Holds tea."),
        review("ann", "blue cup", 2, "Holds tea."),
        review("ann", "pot", 3, "Holds  tea."),
        review("bob", "pot", 1, "Fine."),
        review("bob", "red cup", 2, null),
        review("bob", "blue cup", 3, "Holds tea."),
        review("eve", "pot", 1, " "),
        review("eve", "red cup", 2, "Unique."),
        review("eve", "blue cup", 3, null),
      ]),
    ),
  ];
  const { manifest, events } = await prepared(folder, { inputs, split: "leave-one-out" });
  expect(manifest.statistics).toMatchObject({
    trainReviews: 2,
    heldOutReviews: 4,
    heldOutReviewsInTraining: 2,
    heldOutReviewsOfSameUser: 1,
  });
  expect(events.filter(({ type }) => type === "warning")).toEqual([
    {
      type: "warning",
      message:
        "2 of 4 held-out reviews (50%) are in training word for word, 1 of them by the same user: a model that " +
        "reads training reviews has read these",
    },
  ]);
});

test("nothing is said where none is, and nothing counted where there are no reviews", async () => {
  const texts = [0, 1, 2].map((k) => review("ann", `item ${k}`, k, `text ${k}`));
  const one = await prepared(folder, { inputs: [folder.write("one.json", jsonLines(texts))], split: "leave-one-out" });
  expect(one.manifest.statistics).toMatchObject({ heldOutReviews: 2, heldOutReviewsInTraining: 0 });
  expect(one.events.filter(({ type }) => type === "warning")).toEqual([]);
  const csv = folder.write("none.csv", "user,item\na,1\na,2\na,3\n");
  const none = await prepared(folder, { inputs: [csv], validationShare: 0.1, testShare: 0.1 });
  expect(none.manifest.statistics.heldOutReviews).toBeUndefined();
});

test.skipIf(sharedPath("data") === undefined)("Musical Instruments: none of the paper's split", async () => {
  const input = `${sharedPath("data")}/amazon-musical-instruments/reviews_Musical_Instruments_5.json.gz`;
  const output = path.join(folder.path, "instruments");
  const { statistics } = await prepare({ inputs: [input], output, split: "cllm4rec" });
  expect(statistics).toMatchObject({ heldOutReviews: 1_064, heldOutReviewsInTraining: 0, heldOutReviewsOfSameUser: 0 });
});
