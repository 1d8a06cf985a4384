/** The frame of the page: top bar, banner, questions, and the view. */

import { AuditView } from "./audit_view.js";
import { Button, Failure, Live, Notice, Progress, useModel } from "./controls.js";
import { FirstTime } from "./first_time.js";
import { sentence } from "./format.js";
import { Icon } from "./icons.js";
import { ImportView } from "./import_view.js";
import type { Model, Question, State, View } from "./model.js";
import { ProviderList } from "./provider_list.js";
import { ProviderView } from "./provider_view.js";
import { VaultView } from "./vault_view.js";
import { words } from "./words.js";

export function App({ model }: { model: Model }) {
  const state = useModel(model);
  if (state.ended !== null) return <Ended reason={state.ended} host={state.host} />;
  if (state.unavailable) return <Unavailable model={model} state={state} why={state.unavailable} />;
  return (
    <>
      <TopBar model={model} state={state} />
      {state.machine && <Kept machine={state.machine} />}
      {state.starting && state.loaded && <Restarting />}
      <Banner model={model} state={state} />
      {state.questions.slice(0, 1).map((question) => (
        <QuestionBar key={question.id} model={model} question={question} />
      ))}
      <div class="views">
        {state.failure ? <Failure data={state.failure} model={model} /> : state.loaded ? <Main model={model} state={state} /> : <Loading text={state.starting ? words.unavailable.starting : words.loading} />}
      </div>
    </>
  );
}

function Main({ model, state }: { model: Model; state: State }) {
  if (state.firstTime) return <FirstTime model={model} state={state} />;
  switch (state.view.name) {
    case "vault":
      return <VaultView model={model} state={state} />;
    case "audit":
      return <AuditView model={model} state={state} />;
    case "import":
      return <ImportView model={model} state={state} />;
    case "providers": {
      const provider = state.view.provider ? model.provider(state.view.provider) : undefined;
      return (
        <div class="split" data-open={provider ? "detail" : "list"}>
          <ProviderList model={model} state={state} />
          {provider ? (
            <ProviderView key={provider.id} model={model} state={state} provider={provider} />
          ) : (
            <section class="welcome">
              <h1>{words.list.welcome}</h1>
              <p>{words.list.welcomeText}</p>
              <p>
                <Button icon="import" onClick={() => model.show({ name: "import" })}>{words.importer.title}</Button>
              </p>
            </section>
          )}
        </div>
      );
    }
  }
}

function TopBar({ model, state }: { model: Model; state: State }) {
  const vault = state.vault;
  const by = vault?.protection ? words.vault.protections[vault.protection] : undefined;
  const locked = vault?.state !== "unlocked";
  return (
    <header class="top">
      <nav aria-label={words.top.navigation}>
        <Tab model={model} state={state} view={{ name: "providers", provider: null }} label={words.title} icon="key" />
        <span class="gap" />
        <Tab model={model} state={state} view={{ name: "vault" }} icon={locked ? "lock" : "unlock"}
          label={words.top.vault}
          note={vault ? [words.vault.states[vault.state] ?? vault.state, by].filter(Boolean).join(", ") : undefined} />
        <Tab model={model} state={state} view={{ name: "import" }} label={words.top.import} icon="import" />
        <Tab model={model} state={state} view={{ name: "audit" }} label={words.top.audit} icon="log" />
      </nav>
    </header>
  );
}

interface TabProps {
  model: Model;
  state: State;
  view: View;
  label: string;
  icon: Parameters<typeof Icon>[0]["name"];
  note?: string | undefined;
}

function Tab({ model, state, view, label, icon, note }: TabProps) {
  const here = !state.firstTime && state.view.name === view.name;
  const open = () => model.show(view);
  return (
    <button type="button" class="tab" aria-current={here ? "page" : undefined} onClick={open}>
      <Icon name={icon} />
      <span>{label}</span>
      {note && <span class="quiet">{note}</span>}
    </button>
  );
}

/** A locked or missing vault, with one button. The page under it stays usable. */
function Banner({ model, state }: { model: Model; state: State }) {
  const vault = state.vault;
  if (!vault || state.firstTime || state.view.name === "vault") return null;
  if (vault.state === "unlocked" || vault.state === "checking") return null;
  const [text, button] = {
    locked: [words.banner.locked, words.banner.unlock],
    unavailable: [words.banner.unavailable, words.banner.look],
    uninitialized: [words.banner.uninitialized, words.banner.setUp],
  }[vault.state];
  return (
    <div class="banner" role="status">
      <Icon name="lock" />
      <p>
        {text} {vault.state === "unavailable" && vault.hint && sentence(vault.hint)}
      </p>
      <Button kind="primary" onClick={() => model.show({ name: "vault" })}>{button}</Button>
    </div>
  );
}

function QuestionBar({ model, question }: { model: Model; question: Question }) {
  return (
    <div class="banner" role="alertdialog" aria-label={words.question.label} aria-describedby="question">
      <Icon name="warning" />
      <p id="question">{question.message}</p>
      {question.titles.map((title) => (
        <Button key={title} onClick={() => model.answer(question, title)}>{title}</Button>
      ))}
    </div>
  );
}

/** Where keys are kept: people with a remote window take it for their own machine, and the other way round. */
function Kept({ machine }: { machine: string }) {
  return (
    <p class="kept">
      <Icon name="machine" />
      {words.kept(machine)}
    </p>
  );
}

function Restarting() {
  return (
    <div class="banner" role="status">
      <Icon name="refresh" />
      <p>{words.unavailable.restarting}</p>
    </div>
  );
}

function Loading({ text }: { text: string }) {
  return (
    <p class="loading" role="status">
      {text}
    </p>
  );
}

function Unavailable({ model, state, why }: { model: Model; state: State; why: NonNullable<State["unavailable"]> }) {
  return (
    <section class="ended" aria-labelledby="unavailable-title">
      <h1 id="unavailable-title">{words.unavailable.title}</h1>
      <p class="lead">{words.unavailable.lead}</p>
      <Live>
        {state.starting ? (
          <Progress text={words.unavailable.starting} />
        ) : (
          <Notice tone="warn">
            <p>{sentence(why.message)}</p>
          </Notice>
        )}
      </Live>
      <p class="actions">
        {why.actions.map((title, index) => (
          <Button key={title} kind={index === 0 ? "primary" : "plain"} disabled={state.starting} onClick={() => model.host.act(title)}>{title}</Button>
        ))}
      </p>
    </section>
  );
}

function Ended({ reason, host }: { reason: string; host: string | null }) {
  const texts: Record<string, string> = words.ended;
  return (
    <section class="ended">
      <h1>{words.ended.title}</h1>
      <Notice tone={reason === "tokenReused" ? "bad" : "info"}>
        <p>{texts[reason] ?? words.ended.connection}</p>
        <p>{host === "vscode" ? words.ended.openAgain : words.ended.again}</p>
      </Notice>
    </section>
  );
}
