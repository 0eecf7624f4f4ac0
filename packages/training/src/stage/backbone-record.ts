// Which backbone a run trains on, as its settings record it and its training state compares it.
import type { Backbone } from "@cllm4rec/backbone";
import { type CheckpointStore, isJsonRecord, type JsonRecord } from "../checkpoint/checkpoint.js";

type Fingerprinted = Pick<Backbone, "fingerprint">;

/**
 * The settings `backbone`, the hash of the weights, and `backboneConfig`, that of what config.json computes with them.
 */
export function backboneRecord({ fingerprint: { contentHash, configHash } }: Fingerprinted): JsonRecord {
  return { backbone: contentHash, backboneConfig: configHash ?? null };
}

/**
 * Reads states of earlier versions, which recorded the backbone's weights alone: they resume, and record its config
 * from then on.
 */
export function recordingConfig(store: CheckpointStore, backbone: Fingerprinted): CheckpointStore {
  return {
    name: store.name,
    save: (checkpoint) => store.save(checkpoint),
    async load() {
      const saved = await store.load();
      const settings = saved?.state.settings;
      if (settings === undefined || !isJsonRecord(settings) || "backboneConfig" in settings) return saved;
      const { backboneConfig } = backboneRecord(backbone);
      return (
        saved && { ...saved, state: { ...saved.state, settings: { ...settings, backboneConfig: backboneConfig! } } }
      );
    },
  };
}
