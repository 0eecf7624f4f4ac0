// Events as a TensorBoard event file: scalars only, written record by record.
// Record (TensorFlow, record_writer.h): uint64 length, masked CRC-32C of it, data, masked CRC-32C of the data;
// little-endian.
// Data: the protobuf message tensorflow.Event.
import fs from "node:fs";
import path from "node:path";
import protobuf from "protobufjs/light.js";
import { cannotWrite } from "../checkpoint/atomic.js";
import type { TrainingEvent } from "./events.js";
import type { EventLog } from "./json-lines.js";

const POLYNOMIAL = 0x82f63b78; // Castagnoli, reflected
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/** CRC-32C (RFC 3720, B.4). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** TensorFlow's mask, so that a checksum of data that holds checksums stays useful. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One record around `data`. */
export function tensorBoardRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(16 + data.length);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return record;
}

/** The part of tensorflow/core/util/event.proto and framework/summary.proto that scalars need. */
const Event = protobuf.Root.fromJSON({
  nested: {
    Event: {
      fields: {
        wallTime: { id: 1, type: "double" },
        step: { id: 2, type: "int64" },
        fileVersion: { id: 3, type: "string" },
        summary: { id: 5, type: "Summary" },
      },
    },
    Summary: { fields: { value: { id: 1, type: "Value", rule: "repeated" } } },
    Value: { fields: { tag: { id: 1, type: "string" }, simpleValue: { id: 2, type: "float" } } },
  },
}).lookupType("Event");

/** The protobuf bytes of one event; `wallTime` in seconds since 1970. */
export function tensorBoardEvent(
  wallTime: number,
  content:
    | { readonly fileVersion: string }
    | { readonly step: number; readonly scalars: Readonly<Record<string, number>> },
): Uint8Array {
  if ("fileVersion" in content) return Event.encode({ wallTime, fileVersion: content.fileVersion }).finish();
  const value = Object.entries(content.scalars).map(([tag, simpleValue]) => ({ tag, simpleValue }));
  // proto3 leaves zeros out.
  const step = content.step === 0 ? {} : { step: content.step };
  return Event.encode({ wallTime, ...step, summary: { value } }).finish();
}

/** The scalars of an event, by TensorBoard tag, or `undefined` for events that have none. */
export function scalarsOf(event: TrainingEvent): { step: number; scalars: Record<string, number> } | undefined {
  switch (event.type) {
    case "step":
      return {
        step: event.update,
        scalars: {
          [`${event.stage}/${event.task}/objective`]: event.objective,
          [`${event.stage}/${event.task}/language-model`]: event.languageModel,
          [`${event.stage}/${event.task}/mutual`]: event.mutual,
          ...Object.fromEntries(
            Object.entries(event.terms ?? {}).map(([name, value]) => [`${event.stage}/${event.task}/${name}`, value]),
          ),
          [`${event.stage}/${event.task}/gradient-norm`]: event.gradientNorm,
          [`${event.stage}/${event.task}/learning-rate`]: event.learningRate,
        },
      };
    case "validation":
      return {
        step: event.update,
        scalars: Object.fromEntries(
          Object.entries(event.metrics).map(([name, value]) => [`${event.stage}/validation/${name}`, value]),
        ),
      };
    default:
      return undefined;
  }
}

/**
 * Writes the scalars of events into a new event file in `directory`, for `tensorboard --logdir`. A run that resumes
 * makes another file beside it; TensorBoard reads both, and shows the later values where steps repeat.
 * @param now milliseconds since 1970; by default the system's clock
 * @throws TrainingError where the file cannot be written
 */
export function tensorBoardLog(directory: string, now: () => number = Date.now): EventLog {
  const started = now();
  const file = path.join(
    directory,
    `events.out.tfevents.${Math.floor(started / 1000)}.cllm4rec.${process.pid}.${started}`,
  );
  const guarded = <T>(write: () => T): T => {
    try {
      return write();
    } catch (error) {
      throw cannotWrite(file, error);
    }
  };
  const descriptor = guarded(() => {
    fs.mkdirSync(directory, { recursive: true });
    return fs.openSync(file, "a");
  });
  const append = (data: Uint8Array) => guarded(() => fs.writeSync(descriptor, tensorBoardRecord(data)));
  append(tensorBoardEvent(started / 1000, { fileVersion: "brain.Event:2" }));
  return {
    write(event) {
      const found = scalarsOf(event);
      if (found) append(tensorBoardEvent(now() / 1000, found));
    },
    close: () => fs.closeSync(descriptor),
  };
}
