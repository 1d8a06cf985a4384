/** A question to a model, answered on the page, or in the chat of a host that has one. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { KeyInfo, ModelInfo } from "../../client/src/generated.js";
import { Button, Failure, Field, Live, Notice, Progress, TextField, useTask } from "./controls.js";
import type { Model } from "./model.js";
import { words } from "./words.js";

const ANSWER_MAX_TOKENS = 500;
let streams = 0;

interface Props {
  model: Model;
  keyInfo: KeyInfo;
  /** Leave the form, and what leaving is called. */
  leave: { text: string; action: () => void };
}

export function AskForm({ model, keyInfo, leave }: Props) {
  const [models, setModels] = useState<readonly ModelInfo[] | null>(null);
  const [chosen, setChosen] = useState("");
  const [prompt, setPrompt] = useState<string>(words.first.prompt);
  const [answer, setAnswer] = useState("");
  const question = useRef<HTMLInputElement>(null);
  const task = useTask();
  useEffect(() => {
    let open = true;
    const show = (items: readonly ModelInfo[]) => {
      if (!open) return;
      const usable = items.filter((item) => item.chat !== false && !item.unavailable && !item.deprecated);
      setModels(usable);
      setChosen(cheapest(usable)?.id ?? "");
    };
    model.host.request("model/list", { provider: keyInfo.provider, keyId: keyInfo.keyId, limit: 500 }).then(({ items }) => show(items), () => show([]));
    return () => void (open = false);
  }, []);
  const ready = models !== null && models.length > 0;
  useEffect(() => {
    // A question of one's own replaces the proposed one.
    if (ready) question.current?.select();
  }, [ready]);

  const ask = (event: Event) => {
    event.preventDefault();
    if (task.running || !chosen || !prompt.trim()) return;
    const chat = { provider: keyInfo.provider, keyId: keyInfo.keyId, model: chosen };
    if (model.state.opensChat) {
      model.host.openChat({ ...chat, prompt });
      return leave.action();
    }
    setAnswer("");
    task.run(() => streamed(model, { ...chat, prompt }, (text) => setAnswer((before) => before + text)));
  };
  if (models === null) return <Live><Progress text={words.models.loading} /></Live>;
  return (
    <form class="form plain" onSubmit={ask} aria-label={words.first.askTitle}>
      {models.length > 0 ? (
        <>
          <TextField label={words.first.promptLabel} value={prompt} onInput={setPrompt} hint={words.first.cost} inputRef={question} />
          <Field label={words.first.model}>
            {({ id }) => (
              <select id={id} value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
                {models.map((item) => (
                  <option key={item.id} value={item.id}>{item.name ?? item.id}</option>
                ))}
              </select>
            )}
          </Field>
        </>
      ) : (
        <p>{words.first.noModels}</p>
      )}
      <Live>
        {task.running && !answer && <Progress text={words.models.testing} />}
        {task.error && <Failure data={task.error} model={model} />}
        {answer && (
          <Notice tone="good">
            <p class="answer">{answer}</p>
          </Notice>
        )}
      </Live>
      <p class="actions">
        {models.length > 0 && <Button submit kind={answer ? "plain" : "primary"} disabled={task.running}>{words.first.ask}</Button>}
        <Button kind={answer || models.length === 0 ? "primary" : "plain"} onClick={leave.action}>{leave.text}</Button>
      </p>
    </form>
  );
}

interface Question {
  provider: string;
  keyId: string;
  model: string;
  prompt: string;
}

/** Send one question, and pass on the text of its answer as it arrives. */
export async function streamed(model: Model, { prompt, ...chat }: Question, onText: (text: string) => void): Promise<void> {
  streams += 1;
  const streamId = `question-${streams}`;
  const stop = model.host.listen((message) => {
    if (message.type !== "notification" || message.method !== "chat/events") return;
    const params = message.params as { streamId: string; events: readonly { type: string; delta?: string }[] };
    if (params.streamId !== streamId) return;
    const text = params.events.map((item) => (item.type === "textDelta" ? (item.delta ?? "") : "")).join("");
    if (text) onText(text);
  });
  try {
    const messages = [{ role: "user" as const, content: prompt }];
    await model.host.request("chat/send", { ...chat, streamId, messages, maxOutputTokens: ANSWER_MAX_TOKENS });
  } finally {
    stop();
  }
}

/** The model with the lowest known price; without prices, the first one. */
function cheapest(models: readonly ModelInfo[]): ModelInfo | undefined {
  const amount = (item: ModelInfo) => (item.price?.output ? Number(item.price.output) : Number.POSITIVE_INFINITY);
  return models.reduce<ModelInfo | undefined>((best, item) => (best && amount(best) <= amount(item) ? best : item), undefined);
}
