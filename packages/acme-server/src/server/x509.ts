/** The X.509 library, behind the Reflect polyfill that it expects, which has to be loaded first. */
import 'reflect-metadata';

export * as x509 from '@peculiar/x509';
