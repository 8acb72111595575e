"""What Redis carries out: one Lua script for a whole batch, so that each operation in it is atomic and cheap.

KEYS is empty: the names are made in the script, which is fine for a single server with replicas and not for a cluster.
ARGV is the prefix of all names, the limits, then the operations one after the other, each with its fixed number of
arguments. The reply is one string with a line per operation; ``!`` and a text where one failed, which fails no other.

Names below the prefix: ``g:`` tuples, ``n:`` the tuples of a client network (sorted by their end), ``c:`` how many
tuples end in a span of five minutes, ``w: t: s: p: d:`` the other kinds, ``note:`` notes. A record is
``first passes expires blocked passed`` in decimal, for a tuple with its details behind. Redis forgets it after it
expired; until then `expires` decides, not Redis's clock.
"""

from __future__ import annotations

import hashlib
from typing import Final

from filter_greylist.rules.records import FOREVER, SLACK

GRACE: Final = 600
"""Seconds a record stays with Redis after it expired: servers' clocks differ."""

SPAN: Final = 300
"""Seconds of one counter of tuples."""

ARGUMENTS: Final = {"c": 4, "a": 6, "m": 8, "p": 8, "d": 2}
"""Operations and how many arguments each has: consult, attempt, merge, put, delete."""

SCRIPT: Final = f"""
local P, LIMIT, FULL = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local FOREVER, SLACK, GRACE, SPAN = {FOREVER}, {SLACK}, {GRACE}, {SPAN}
local change = {{}}

local function parse(value)
  if not value then return nil end
  local f, p, e, b, n, rest = string.match(value, '^(%d+) (%d+) (%d+) (%d+) (%d+)(.*)$')
  if not f then return nil end
  return {{tonumber(f), tonumber(p), tonumber(e), tonumber(b), tonumber(n)}}, rest
end

local function read(name)
  return parse(redis.call('GET', name))
end

local function text(life)
  return string.format('%.0f %.0f %.0f %.0f %.0f', unpack(life))
end

local function count(expires, more)
  local span = math.floor(expires / SPAN)
  change[span] = (change[span] or 0) + more
end

local function write(name, life, rest)
  if life[3] >= FOREVER then
    redis.call('SET', name, text(life) .. rest)
  else
    redis.call('SET', name, text(life) .. rest, 'EXAT', string.format('%.0f', life[3] + GRACE))
  end
end

local function group_of(rest)
  return string.sub(rest, 2, 7)
end

-- A set lives as long as its last tuple may; its end is put off with every sixteenth, which is exact enough.
local function enlist(group, key, life, size)
  if group == '' then return end
  local set = P .. 'n:' .. group
  redis.call('ZADD', set, life[3], key)
  if size % 16 == 0 then redis.call('EXPIREAT', set, string.format('%.0f', 2 * life[3] - life[1] + GRACE)) end
end

local function write_tuple(key, life, rest, old)
  local group = group_of(rest)
  write(P .. 'g:' .. key, life, rest)
  if not old then
    count(life[3], 1)
    enlist(group, key, life, redis.call('ZCARD', P .. 'n:' .. group))
  elseif old[3] ~= life[3] then
    count(old[3], -1)
    count(life[3], 1)
    enlist(group, key, life, 1)
  end
end

local function size_of(group, now)
  local set = P .. 'n:' .. group
  local size = redis.call('ZCARD', set)
  if size < LIMIT then return size end
  redis.call('ZREMRANGEBYSCORE', set, '-inf', now)
  return redis.call('ZCARD', set)
end

-- A tuple that is there and has expired is none; what it left behind goes.
local function forget(key, old, rest)
  count(old[3], -1)
  redis.call('ZREM', P .. 'n:' .. group_of(rest), key)
  redis.call('DEL', P .. 'g:' .. key)
end

local run = {{}}

function run.c(i)
  local v = redis.call('MGET', P .. 'w:' .. ARGV[i], P .. 't:' .. ARGV[i], P .. 's:' .. ARGV[i + 1],
    P .. 'p:' .. ARGV[i + 2], P .. 'd:' .. ARGV[i + 3])
  for j = 1, 5 do v[j] = v[j] or '' end
  return table.concat(v, '|')
end

-- The new tuple is written at once, unless there is one: that is what most attempts come to.
local function first_seen(key, group, life, shown, size)
  local name, fresh = P .. 'g:' .. key, text(life) .. ' ' .. group .. shown
  local till = string.format('%.0f', life[3] + GRACE)
  local was = redis.call('SET', name, fresh, 'NX', 'GET', 'EXAT', till)
  local old, rest = parse(was)
  if old then return old, rest end
  if was then redis.call('SET', name, fresh, 'EXAT', till) end
  count(life[3], 1)
  enlist(group, key, life, size)
end

function run.a(i)
  local key, group, shown = ARGV[i], ARGV[i + 4], ARGV[i + 5]
  local now, passtime, grey = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local life = {{now, now + passtime, now + grey, 1, 0}}
  local size, old, rest = size_of(group, now)
  local full = FULL or size >= LIMIT
  if full then
    old, rest = read(P .. 'g:' .. key)
    if not old then return '' end
  else
    old, rest = first_seen(key, group, life, shown, size)
    if not old then return text(life) end
  end
  if now >= old[3] then
    forget(key, old, rest)
    if full then return '' end
    first_seen(key, group, life, shown, 0)
    return text(life)
  end
  if old[1] <= now + SLACK then
    if old[5] > 0 or now >= old[2] then
      life = {{old[1], old[2], now + grey, old[4], old[5] + 1}}
    else
      life = {{old[1], old[2], old[3], old[4] + 1, old[5]}}
    end
  end
  write_tuple(key, life, rest, old)
  return text(life)
end

local function store(i, both)
  local kind, name, rest = ARGV[i], ARGV[i + 1], ARGV[i + 7]
  local life = {{}}
  for j = 1, 5 do life[j] = tonumber(ARGV[i + 1 + j]) end
  local old, old_rest = read(P .. kind .. ':' .. name)
  if old and both then
    life = {{math.min(old[1], life[1]), math.min(old[2], life[2]), math.max(old[3], life[3]),
      old[4] + life[4], old[5] + life[5]}}
  end
  if old then rest = old_rest end
  if kind == 'g' then
    write_tuple(name, life, rest, old)
  else
    write(P .. kind .. ':' .. name, life, rest)
  end
  return text(life)
end

function run.m(i) return store(i, true) end

function run.p(i) return store(i, false) end

function run.d(i)
  local kind, name = ARGV[i], ARGV[i + 1]
  local old, rest = read(P .. kind .. ':' .. name)
  if not old then return '' end
  redis.call('DEL', P .. kind .. ':' .. name)
  if kind == 'g' then
    count(old[3], -1)
    redis.call('ZREM', P .. 'n:' .. group_of(rest), name)
  end
  return text(old)
end

local length = {{{", ".join(f"{name} = {count}" for name, count in ARGUMENTS.items())}}}
local out, i = {{}}, 4
while i <= #ARGV do
  local op = ARGV[i]
  local ok, line = pcall(run[op], i + 1)
  if not ok then
    line = '!' .. string.gsub(tostring(type(line) == 'table' and line.err or line), '%c', ' ')
  end
  out[#out + 1] = line
  i = i + 1 + length[op]
end
for span, more in pairs(change) do
  if more ~= 0 then
    local name = P .. 'c:' .. string.format('%.0f', span)
    redis.call('INCRBY', name, more)
    redis.call('EXPIREAT', name, string.format('%.0f', (span + 2) * SPAN + GRACE))
  end
end
return table.concat(out, '\\n')
"""

SHA: Final = hashlib.sha1(SCRIPT.encode("ascii"), usedforsecurity=False).hexdigest()
