import type { FrontendExports } from './contract.js';
import type { Frontend } from './index.js';

/** Makes the exports of a component of a frontend: `export const frontend = component(Steps)`. */
export function component(Class: new () => Frontend): FrontendExports;
