// Brings the Reflect polyfill that the X.509 library expects, which has to be there before it.
import 'reflect-metadata';

export * as x509 from '@peculiar/x509';
