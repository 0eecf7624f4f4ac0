// Events as a TensorBoard event file: scalars only, written record by record.
// Record (TensorFlow, record_writer.h): uint64 length, masked CRC-32C of it, data, masked CRC-32C of the data; little-endian.
// Data: protobuf tensorflow.Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
import fs from "node:fs";
import path from "node:path";
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

/** The protobuf bytes of one event; `wallTime` in seconds since 1970. */
export function tensorBoardEvent(
  wallTime: number,
  content:
    | { readonly fileVersion: string }
    | { readonly step: number; readonly scalars: Readonly<Record<string, number>> },
): Uint8Array {
  const time = Buffer.alloc(9);
  time[0] = 0x09; // field 1, 64 bits
  time.writeDoubleLE(wallTime, 1);
  if ("fileVersion" in content) return Buffer.concat([time, delimited(3, Buffer.from(content.fileVersion))]);
  const values = Object.entries(content.scalars).map(([tag, scalar]) => {
    const value = Buffer.alloc(5);
    value[0] = 0x15; // field 2 (simple_value), 32 bits
    value.writeFloatLE(scalar, 1);
    return delimited(1, Buffer.concat([delimited(1, Buffer.from(tag)), value]));
  });
  const step = content.step === 0 ? [] : [Buffer.of(0x10), varint(content.step)]; // proto3 leaves zeros out
  return Buffer.concat([time, ...step, delimited(5, Buffer.concat(values))]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function delimited(field: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of((field << 3) | 2), varint(content.length), content]);
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
 * Writes the scalars of events into a new event file in `directory`, for `tensorboard --logdir`. A run that resumes makes another file
 * beside it; TensorBoard reads both, and shows the later values where steps repeat.
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
