import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as jose from 'jose';
import { expect, test } from './fixtures.ts';

// Tokens that another implementation makes, checked by the keys that it publishes.

interface Issuer {
  url: string;
  /** The keys that it publishes from now on. */
  publish: (...keys: Key[]) => void;
  /** How often its keys were asked for. */
  asked: () => number;
  close: () => Promise<void>;
}

interface Key {
  kid: string;
  alg: string;
  privateKey: jose.CryptoKey;
  publicKey: jose.CryptoKey;
  jwk: jose.JWK;
}

async function newKey(kid: string, alg: string): Promise<Key> {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await jose.exportJWK(publicKey)), kid, alg, use: 'sig' };
  return { kid, alg, privateKey, publicKey, jwk };
}

async function newIssuer(...keys: Key[]): Promise<Issuer> {
  let body = '';
  let asked = 0;
  const publish = (...set: Key[]) => (body = JSON.stringify({ keys: set.map((key) => key.jwk) }));
  publish(...keys);
  const server: Server = createServer((_, response) => {
    asked++;
    response.setHeader('content-type', 'application/json').end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/keys`,
    publish,
    asked: () => asked,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const issuer = 'https://id.example';
const audience = 'tallylight';

/** What a good token says. */
const claims = () =>
  new jose.SignJWT({ grants: [{ room: '*', role: 'viewer' }] })
    .setSubject('bob')
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('1h');

const signed = (key: Key, header: Partial<jose.JWTHeaderParameters> = {}) =>
  claims()
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .sign(key.privateKey);

const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const flags = (keys: Issuer) => ['--jwks-url', keys.url, '--jwt-issuer', issuer, '--jwt-audience', audience];

/** What a node says of a token: "ok", or the reason for which it is refused. */
async function verdict(link: string, token: string): Promise<string> {
  const answer = await fetch(new URL('/v1/validate', link), { headers: { authorization: `Bearer ${token}` } });
  const body = (await answer.json()) as { reason?: string; code?: string };
  return answer.ok ? 'ok' : (body.reason ?? body.code ?? String(answer.status));
}

test('tokens of another implementation are taken, by keys that are rotated under way', async ({ start, open }) => {
  const old = await Promise.all(algorithms.map((alg, i) => newKey(`old-${i}`, alg)));
  const young = await Promise.all(algorithms.map((alg, i) => newKey(`young-${i}`, alg)));
  const keys = await newIssuer(...old);
  try {
    const node = await start(...flags(keys));
    const link = node.links.watch.split('#')[0] ?? '';
    const people = [];
    for (const key of old) {
      const token = await signed(key);
      expect(await verdict(link, token), key.alg).toBe('ok');
      const person = await open(`${link}#token=${token}`);
      await person.wantConnection('connected');
      people.push(person);
    }

    // First both, as one does who rotates: a key that nobody has seen is found by the first token that names it.
    keys.publish(...old, ...young);
    for (const key of [...young, ...old]) expect(await verdict(link, await signed(key)), `${key.kid}, ${key.alg}`).toBe('ok');
    const fetched = keys.asked();
    expect(fetched, 'the set is not fetched for every token').toBeLessThan(4);

    // Then the new ones alone, under the names of the old ones.
    const renamed = young.map((key, i) => ({ ...key, kid: `old-${i}`, jwk: { ...key.jwk, kid: `old-${i}` } }));
    keys.publish(...renamed);
    const unknown = await newKey('unknown', 'ES256');
    await expect.poll(async () => (await verdict(link, await signed(unknown)), keys.asked()), { timeout: 20_000, message: 'it is fetched again' }).toBeGreaterThan(fetched);
    for (const key of renamed) expect(await verdict(link, await signed(key)), `${key.alg}, by an old name`).toBe('ok');
    for (const key of old) expect(await verdict(link, await signed(key)), `${key.alg}, the old key`).toMatch(/^(signature|algorithm)$/);
    for (const key of young) expect(await verdict(link, await signed(key)), `${key.alg}, by a name that is gone`).toBe('key');
    for (const person of people) await person.wantConnection('connected');

    // An issuer that is gone, or answers nonsense, changes nothing.
    keys.publish();
    await expect.poll(async () => (await verdict(link, await signed(unknown)), keys.asked()), { timeout: 20_000 }).toBeGreaterThan(fetched + 1);
    for (const key of renamed) expect(await verdict(link, await signed(key)), `${key.alg}, without an issuer`).toBe('ok');
  } finally {
    await keys.close();
  }
});

test('hostile tokens of another implementation are refused, and say why', async ({ start }) => {
  const [rs, ps, es, ed] = (await Promise.all(algorithms.map((alg) => newKey(alg, alg)))) as [Key, Key, Key, Key];
  const evil = await newKey('evil', 'RS256');
  const keys = await newIssuer(rs, ps, es, ed);
  const elsewhere = await newIssuer(evil);
  try {
    const node = await start(...flags(keys));
    const link = node.links.watch;
    for (const key of [rs, ps, es, ed]) expect(await verdict(link, await signed(key))).toBe('ok');

    const secret = (text: string) => new TextEncoder().encode(text);
    const pem = await jose.exportSPKI(rs.publicKey);
    const by = (header: jose.JWTHeaderParameters, key: jose.CryptoKey | Uint8Array) => claims().setProtectedHeader(header).sign(key);
    const with_ = (change: (token: jose.SignJWT) => jose.SignJWT) => change(claims()).setProtectedHeader({ alg: 'ES256', kid: 'ES256' }).sign(es.privateKey);
    const asPS = await jose.importPKCS8(await jose.exportPKCS8(rs.privateKey), 'PS256');
    const asRS = await jose.importPKCS8(await jose.exportPKCS8(ps.privateKey), 'RS256');
    const now = Math.floor(Date.now() / 1000);
    const cases: [name: string, token: Promise<string> | string, want: string][] = [
      ['no signature at all', new jose.UnsecuredJWT({ scope: 'admin' }).setSubject('bob').setIssuer(issuer).setAudience(audience).setExpirationTime('1h').encode(), 'algorithm'],
      ["HS256 by the public key's PEM", by({ alg: 'HS256', kid: 'RS256' }, secret(pem)), 'signature'],
      ["HS256 by the public key's JWK", by({ alg: 'HS256', kid: 'RS256' }, secret(JSON.stringify(rs.jwk))), 'signature'],
      ['PS256 by the key for RS256', by({ alg: 'PS256', kid: 'RS256' }, asPS), 'algorithm'],
      ['RS256 by the key for PS256', by({ alg: 'RS256', kid: 'PS256' }, asRS), 'algorithm'],
      ["another's key by our name", by({ alg: 'RS256', kid: 'RS256' }, evil.privateKey), 'signature'],
      ["another's key by its name", by({ alg: 'RS256', kid: 'evil' }, evil.privateKey), 'key'],
      ['a key in the header', by({ alg: 'RS256', kid: 'evil', jwk: evil.jwk as jose.JWK_RSA_Public }, evil.privateKey), 'key'],
      ['a key in the header, by our name', by({ alg: 'RS256', kid: 'RS256', jwk: evil.jwk as jose.JWK_RSA_Public }, evil.privateKey), 'signature'],
      ['the place of a set in the header', by({ alg: 'RS256', kid: 'evil', jku: elsewhere.url }, evil.privateKey), 'key'],
      ['the place of a certificate', by({ alg: 'RS256', kid: 'evil', x5u: elsewhere.url }, evil.privateKey), 'key'],
      ['a certificate', by({ alg: 'RS256', kid: 'evil', x5c: ['AAAA'] }, evil.privateKey), 'key'],
      ['no name of a key', by({ alg: 'ES256' }, es.privateKey), 'key'],
      ['the name of a key of another kind', by({ alg: 'ES256', kid: 'EdDSA' }, es.privateKey), 'algorithm'],
      ['a name of other letters', by({ alg: 'ES256', kid: 'es256' }, es.privateKey), 'key'],
      ['expired by a second beyond the leeway', with_((t) => t.setExpirationTime(now - 31)), 'expired'],
      ['not valid yet', with_((t) => t.setNotBefore(now + 60)), 'not_yet_valid'],
      ['issued in the future', with_((t) => t.setIssuedAt(now + 60)), 'not_yet_valid'],
      ['of another issuer', with_((t) => t.setIssuer('https://evil.example')), 'issuer'],
      ['for another audience', with_((t) => t.setAudience('elsewhere')), 'audience'],
      ['for no audience', with_((t) => t.setAudience([])), 'audience'],
      ['without a user', with_((t) => t.setSubject('')), 'no_subject'],
      ['for a user who is none', with_((t) => t.setSubject('../../etc/passwd')), 'bad_subject'],
      ['without an end', new jose.SignJWT({}).setSubject('bob').setIssuer(issuer).setAudience(audience).setProtectedHeader({ alg: 'ES256', kid: 'ES256' }).sign(es.privateKey), 'no_expiry'],
      ['encrypted', new jose.EncryptJWT({}).setSubject('bob').setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(new Uint8Array(32)), 'malformed'],
    ];
    for (const [name, token, want] of cases) expect.soft(await verdict(link, await token), name).toBe(want);
    for (const key of [rs, ps, es, ed]) {
      const [header, , signature] = (await signed(key)).split('.');
      const forged = Buffer.from(JSON.stringify({ sub: 'bob', exp: now + 3600, iss: issuer, aud: audience, scope: 'admin' })).toString('base64url');
      expect.soft(await verdict(link, `${header}.${forged}.${signature}`), `${key.alg} with other claims`).toBe('signature');
      expect.soft(await verdict(link, `${(await signed(key)).replace(/[^.]+$/, '')}`), `${key.alg} without its signature`).toBe('signature');
    }
    expect(elsewhere.asked(), 'a token had its own keys fetched').toBe(0);
  } finally {
    await keys.close();
    await elsewhere.close();
  }
});
