/** The label of a key, editable in place: Enter saves, Escape cancels, and the focus stays. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";

import type { KeyInfo, ProviderInfo } from "../../client/src/generated.js";
import { sentence } from "./format.js";
import { HostError } from "./host.js";
import { keyName } from "./keys_section.js";
import type { Model } from "./model.js";
import { words } from "./words.js";

const LABEL_MAX_CHARS = 128;

export function LabelCell({ model, item, provider }: { model: Model; item: KeyInfo; provider: ProviderInfo }) {
  const [text, setText] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const saving = useRef(false);
  const editing = text !== null;
  const was = useRef(editing);
  useLayoutEffect(() => {
    if (editing && !was.current) input.current?.select();
    if (!editing && was.current) button.current?.focus();
    was.current = editing;
  }, [editing]);

  const close = () => {
    setText(null);
    setProblem(null);
  };
  const save = async () => {
    if (text === null || saving.current) return;
    const label = text.trim() || null;
    if (label === item.label) return close();
    const wrong = problemOf(label, model.keysOf(item.provider).filter((key) => key.keyId !== item.keyId));
    setProblem(wrong);
    if (wrong) return;
    saving.current = true;
    try {
      await model.host.request("key/setLabel", { keyId: item.keyId, label });
      await model.loadKeys();
      close();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      setProblem(sentence(error.data.userMessage));
    } finally {
      saving.current = false;
    }
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter") void save();
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  if (!editing) {
    return (
      <button ref={button} type="button" class={item.label ? "label-button key-label" : "label-button quiet"}
        aria-label={(item.label ? words.keys.editLabel : words.keys.addLabel)(keyName(item, provider))} title={words.keys.editHint} onClick={() => setText(item.label ?? "")}>
        {item.label ?? words.keys.noLabel}
      </button>
    );
  }
  const noteId = `label-${item.keyId}`;
  return (
    <span class="label-edit">
      <input ref={input} type="text" value={text} aria-label={words.form.label} aria-invalid={problem !== null} aria-describedby={noteId}
        autocomplete="off" spellcheck={false}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setProblem(null);
        }}
        onKeyDown={onKey} onBlur={() => problem === null && void save()} />
      <span id={noteId} class={problem ? "note bad" : "note"} role="status">{problem ?? words.keys.labelKeys}</span>
    </span>
  );
}

/** Return what is wrong with a label that the daemon would refuse, or null. */
function problemOf(label: string | null, others: readonly KeyInfo[]): string | null {
  if (label === null) return null;
  if ([...label].length > LABEL_MAX_CHARS) return words.keys.labelTooLong(LABEL_MAX_CHARS);
  return others.some((key) => key.label === label) ? words.keys.labelTaken : null;
}
