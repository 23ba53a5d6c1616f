/** Checks of the suite: aliases, delegations and zones. */
import { rejects } from 'node:assert/strict';
import { AcmeError } from '@certbus/acme';
import type { SolverAbility } from './options.ts';
import { type Check, cleanUp, publish, shows } from './subject.ts';

/** Where a value belongs. */
export function checkZones(check: Check, can: (...abilities: readonly SolverAbility[]) => boolean): void {
  if (can('aliases')) {
    check('writes where an alias points, through several, also into another zone', async (subject) => {
      const { open, challenge, domain, childDomain, alias } = subject;
      const [mine, plain] = [challenge(`aliased.${domain}`), challenge(`plain.${domain}`)];
      const target = `validation.${childDomain}`;
      await alias(mine.dnsName, `hop.${domain}`);
      await alias(`hop.${domain}`, target);
      const solver = await open();
      await publish(subject, solver, [mine, plain]);
      await shows(subject, target, [mine.dnsValue]);
      await shows(subject, plain.dnsName, [plain.dnsValue]);
      await cleanUp(subject, solver, [mine, plain]);
      if (can('clean-up')) await shows(subject, target, []);
    });

    check('keeps apart the values of names that share an alias', async (subject) => {
      const { open, challenge, domain, alias } = subject;
      const [first, second] = [challenge(`one.${domain}`), challenge(`two.${domain}`)];
      const target = `shared.${domain}`;
      await alias(first.dnsName, target);
      await alias(second.dnsName, target);
      const solver = await open();
      await publish(subject, solver, [first, second]);
      await shows(subject, target, [first.dnsValue, second.dnsValue]);
      await cleanUp(subject, solver, [first]);
      if (can('clean-up')) await shows(subject, target, [second.dnsValue]);
    });

    check('writes for a name that is itself an alias of something in another zone', async (subject) => {
      const { open, challenge, domain, childDomain, alias } = subject;
      const mine = challenge(`www.${domain}`);
      await alias(mine.name, childDomain);
      const solver = await open();
      await publish(subject, solver, [mine]);
      await shows(subject, mine.dnsName, [mine.dnsValue]);
      await cleanUp(subject, solver, [mine]);
      if (can('clean-up')) await shows(subject, mine.dnsName, []);
    });

    check(
      'refuses aliases that lead back to where they began',
      async ({ open, challenge, domain, alias, patience }) => {
        const mine = challenge(`round.${domain}`);
        await alias(mine.dnsName, `there.${domain}`);
        await alias(`there.${domain}`, mine.dnsName);
        await rejects((await open()).present([mine], { signal: patience() }), AcmeError);
      },
    );
  }

  if (can('zone-cuts')) {
    check('writes into the zone that a name is delegated to, not the one above', async (subject) => {
      const { open, challenge, domain, childDomain } = subject;
      const [above, below] = [challenge(domain), challenge(childDomain)];
      const solver = await open();
      await publish(subject, solver, [above, below]);
      await shows(subject, below.dnsName, [below.dnsValue]);
      await cleanUp(subject, solver, [above, below]);
      if (can('clean-up')) await shows(subject, below.dnsName, []);
    });
  }

  if (can('zones')) {
    check('says which name lies in no zone of the host', async ({ open, challenge, strayDomain, patience }) => {
      await rejects((await open()).present([challenge(strayDomain)], { signal: patience() }), (error) => {
        const isTold = error instanceof AcmeError && error.code === 'CERTBUS_ACME_ZONE_NOT_FOUND';
        return isTold && error.message.includes(strayDomain);
      });
    });
  }
}
