/** Says whether a value from outside has the shape of T. */
export type Guard<T> = (value: unknown) => value is T;

export const isString: Guard<string> = (v): v is string => typeof v === 'string';
export const isNumber: Guard<number> = (v): v is number => typeof v === 'number';
export const isBoolean: Guard<boolean> = (v): v is boolean => typeof v === 'boolean';
export const isAnything: Guard<unknown> = (_v): _v is unknown => true;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isOneOf<const T extends string>(...values: T[]): Guard<T> {
  return (v): v is T => values.includes(v as T);
}

export function isArrayOf<T>(item: Guard<T>): Guard<T[]> {
  return (v): v is T[] => Array.isArray(v) && v.every(item);
}

export function isRecordOf<T>(item: Guard<T>): Guard<Record<string, T>> {
  return (v): v is Record<string, T> => isRecord(v) && Object.values(v).every(item);
}

export function optional<T>(guard: Guard<T>): Guard<T | undefined> {
  return (v): v is T | undefined => v === undefined || guard(v);
}

/** One guard for each property; that of an optional property must allow undefined. */
export type Shape<T extends object> = {
  [K in keyof T]-?: object extends Pick<T, K> ? Guard<T[K] | undefined> : Guard<T[K]>;
};

/** A guard that must name every property of T, so that type and guard cannot drift apart. Others are allowed. */
export function isObject<T extends object>(shape: Shape<T>): Guard<T> {
  const entries = Object.entries(shape) as [string, Guard<unknown>][];
  return (v): v is T => isRecord(v) && entries.every(([key, guard]) => guard(v[key]));
}
