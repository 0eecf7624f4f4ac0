// Texts a second of a sentence encoder on one thread: node bench/sentence-encoder.mjs MODEL TEXTS [texts]
// TEXTS is a JSON file whose values have a title and a description, or a file of one text a line. sentence_encoder.py
// is PyTorch's side.
import fs from "node:fs";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { openSentenceEncoder } from "@cllm4rec/backbone";
import { onnxRuntime } from "@cllm4rec/onnx-grad";
import { Tokenizer } from "@huggingface/tokenizers";

const [model, file, count = "2000"] = process.argv.slice(2);
const content = fs.readFileSync(file, "utf8");
const texts = (
  file.endsWith(".json")
    ? Object.values(JSON.parse(content)).map(({ title, description }) => `${title}. ${description}`)
    : content.split("\n")
).slice(0, Number(count));

const json = (name) => JSON.parse(fs.readFileSync(`${model}/${name}`, "utf8"));
const [tokenizerJson, config] = [json("tokenizer.json"), json("tokenizer_config.json")];
const tokenizer = { tokenizer: new Tokenizer(tokenizerJson, config), json: tokenizerJson, config };
const engine = onnxRuntime({ threads: 1 });
const encoder = await openSentenceEncoder(model, { tokenizer, engine });
await encoder.encode(texts.slice(0, 64));

const start = performance.now();
let tokens = 0;
for (const text of texts) tokens += Math.min(encoder.maxTokens, tokenizer.tokenizer.encode(text).ids.length);
const tokenising = (performance.now() - start) / 1000;
const [begin, cpu] = [performance.now(), process.cpuUsage()];
await encoder.encode(texts, { batch: 32 });
const seconds = (performance.now() - begin) / 1000;
const { user, system } = process.cpuUsage(cpu); // what other processes do does not lengthen it
console.log(
  `${texts.length} texts, ${(tokens / texts.length).toFixed(1)} tokens a text, ${engine.description}: ` +
    `${(texts.length / seconds).toFixed(1)} texts/s, ${((1e6 * texts.length) / (user + system)).toFixed(1)} a ` +
    `second of CPU; tokenising alone ${(texts.length / tokenising).toFixed(0)} texts/s`,
);
await encoder.dispose();
await engine.dispose();
