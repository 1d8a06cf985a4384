/** Which providers a pasted key may be of, by how it begins. The key stays on the page. */

import type { ProviderInfo } from "../../client/src/generated.js";

/** Return the providers with the longest beginning that fits; several if they share it, none if no one has it. */
export function candidates(providers: readonly ProviderInfo[], key: string): readonly ProviderInfo[] {
  const fit = ({ keyPrefixes }: ProviderInfo) =>
    Math.max(0, ...keyPrefixes.filter((prefix) => key.startsWith(prefix)).map((prefix) => prefix.length));
  const longest = Math.max(0, ...providers.map(fit));
  return longest === 0 ? [] : providers.filter((provider) => fit(provider) === longest);
}
