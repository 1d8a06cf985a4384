/** The input of a secret. Its value is never an attribute of the document, and is taken out once. */

import type { RefObject } from "preact";
import { useImperativeHandle, useRef, useState } from "preact/hooks";

import { Button, Field } from "./controls.js";
import { words } from "./words.js";

export interface SecretInputHandle {
  /** Return the value, and empty the field. */
  take(): string;
  isEmpty(): boolean;
  focus(): void;
}

interface Props {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  optional?: boolean;
  handle: RefObject<SecretInputHandle | null>;
  /** A passphrase is not cleaned: its spaces count. */
  verbatim?: boolean;
  /** Called with the cleaned text after each change; who listens must not keep it. */
  onText?: (text: string) => void;
}

export function SecretField({ label, hint, error, optional = false, handle, verbatim = false, onText }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const [notes, setNotes] = useState<readonly string[]>([]);
  useImperativeHandle(handle, () => ({
    take() {
      const value = input.current?.value ?? "";
      if (input.current) input.current.value = "";
      setNotes([]);
      return verbatim ? value : clean(value).text;
    },
    isEmpty: () => !input.current?.value.trim(),
    focus: () => input.current?.focus(),
  }));

  const paste = (event: ClipboardEvent) => {
    const field = input.current;
    if (verbatim || !field) return;
    event.preventDefault();
    const { text, notes: removed } = clean(event.clipboardData?.getData("text") ?? "");
    field.setRangeText(text, field.selectionStart ?? 0, field.selectionEnd ?? 0, "end");
    setNotes(removed);
    onText?.(clean(field.value).text);
  };
  const reveal = (shown: boolean) => {
    if (input.current) input.current.type = shown ? "text" : "password";
  };
  const onKey = (shown: boolean) => (event: KeyboardEvent) => {
    if (event.key === " " || event.key === "Enter") reveal(shown);
  };
  const hide = () => reveal(false);

  return (
    <Field label={label} hint={notes.length ? notes.join(" ") : hint} error={error} optional={optional}>
      {({ id, describedBy, invalid }) => (
        <div class="secret" onPointerUp={hide} onPointerLeave={hide}>
          <input
            ref={input}
            id={id}
            type="password"
            aria-describedby={describedBy}
            aria-invalid={invalid}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            data-1p-ignore
            data-lpignore="true"
            onPaste={paste}
            onInput={(event) => {
              setNotes([]);
              onText?.(clean(event.currentTarget.value).text);
            }}
          />
          <span
            class="reveal"
            onPointerDown={() => reveal(true)}
            onKeyDown={onKey(true)}
            onKeyUp={onKey(false)}
            onFocusOut={hide}
          >
            <Button kind="quiet" icon="eye" label={words.form.show} />
          </span>
        </div>
      )}
    </Field>
  );
}

const RULES: readonly (readonly [RegExp, keyof typeof words.form.cleaned])[] = [
  [/[\r\n]+/g, "lineBreak"],
  [/^\s+|\s+$/g, "spaces"],
  [/^(?:export\s+)?[A-Z][A-Z0-9_]+=/, "name"],
  [/^(["'`])(.*)\1$/, "quotes"],
  [/^Bearer\s+/i, "bearer"],
];

/** Remove what a person copies along with a key. */
export function clean(pasted: string): { text: string; notes: string[] } {
  let text = pasted;
  const notes: string[] = [];
  for (const [pattern, name] of RULES) {
    const next = text.replace(pattern, name === "quotes" ? "$2" : "");
    if (next !== text) notes.push(words.form.cleaned[name]);
    text = next;
  }
  return { text: text.trim(), notes };
}
