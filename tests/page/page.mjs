// Tests the status page in a browser.
//
// Usage: node page.mjs URL TOKEN SCREENSHOTS MODULES
//
// Exits with 0 if no hostile text was executed, no other host was contacted, every control can be reached with the keyboard,
// and axe-core reports no serious violation in the light, dark and narrow layouts.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [url, token, shots, modules] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), 'package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const wrong = [];
const program = process.env.CHROMIUM || '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox', '--disable-gpu'] });

async function open(options) {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on('pageerror', (error) => wrong.push(`page error: ${error.message}`));
  page.on('dialog', (dialog) => wrong.push(`dialog opened: ${dialog.message()}`) && dialog.dismiss());
  page.on('console', (message) => {
    // The browser logs every failed response, including the intended 401.
    if (message.type() === 'error' && !message.text().includes('status of 401')) wrong.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) wrong.push(`request to another host: ${request.url()}`);
  });
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById('summary').textContent.includes('of 3 components ready'));
  return page;
}

// Enters the token with the keyboard alone, from the top of the page.
async function unlock(page) {
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the components');
  for (let steps = 0; (await page.evaluate(() => document.activeElement.id)) !== 'token'; steps += 1) {
    assert.ok(steps < 10, 'the token field cannot be reached with the keyboard');
    await page.keyboard.press('Tab');
  }
  await page.keyboard.type('this is not it, not at all');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.getElementById('told').textContent.includes('wrong token'));
  await page.getByLabel('Token').fill(token);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => !document.getElementById('content').hidden);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'errors');
}

// Checks the content behind the token, including hostile text.
async function content(page) {
  await page.waitForFunction(() => document.querySelectorAll('#letters tbody tr').length > 0);
  const letters = page.locator('#letters');
  await letters.locator('summary').first().click();
  assert.match(await letters.innerText(), /onerror=/, 'the stanza is shown unchanged');
  assert.match(await letters.innerText(), /\\u\{202e\}bell/, 'bidirectional control characters are escaped');
  assert.match(await letters.innerText(), /given up/);
  await page.getByLabel('Words, such as bell*').fill('bell*');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.getElementById('found').textContent.startsWith('1 entry'));
  assert.match(await page.locator('#entries').innerText(), /<script>window\.pwned=1<\/script>/);
  assert.equal(await page.locator('#entries img, #letters img, #lines img, main script').count(), 0, 'text was rendered as markup');
  await page.getByRole('button', { name: 'Refresh' }).first().click();
  assert.match(await page.locator('#lines').innerText(), /given up/);
}

async function replay(page) {
  await page.getByRole('button', { name: /^Replay number/ }).first().focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#letters').innerText.includes('waiting'));
  assert.equal(await page.evaluate(() => document.activeElement.id), 'read-undelivered', 'the focus is kept');
}

async function look(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const serious = found.violations.filter((one) => ['serious', 'critical'].includes(one.impact));
  const words = (one) => `${one.impact}: ${one.id}: ${one.nodes.map((node) => node.html).join(' | ')}`;
  console.log(`${name}: axe-core ${found.testEngine.version}: ${found.passes.length} rules passed, ${found.violations.length} violations`);
  found.violations.forEach((one) => console.log(`  ${words(one)}`));
  wrong.push(...serious.map((one) => `${name}: ${words(one)}`));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) wrong.push(`${name}: the page is ${wide} pixels wider than the window`);
  if (await page.evaluate(() => window.pwned)) wrong.push(`${name}: hostile text was executed`);
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

const kinds = {
  light: { viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  narrow: { viewport: { width: 360, height: 740 }, colorScheme: 'light' },
};
try {
  for (const [name, options] of Object.entries(kinds)) {
    const page = await open(options);
    await unlock(page);
    await content(page);
    // A plot needs three samples to be a line.
    await page.waitForFunction(() => document.querySelectorAll('#plots polyline').length > 0);
    await look(page, name);
    if (name === 'narrow') await replay(page);
    await page.getByRole('button', { name: 'Pause updates' }).click();
    assert.equal(await page.getByRole('button', { name: 'Pause updates' }).getAttribute('aria-pressed'), 'true');
    await page.context().close();
  }
} catch (error) {
  wrong.push(error.stack);
} finally {
  await browser.close();
}
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(1);
}
