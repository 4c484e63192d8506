// The exports of the component.

import { component } from '@lapstrake/sdk/component';
import { Steps } from './steps.js';

export const frontend = component(Steps);
