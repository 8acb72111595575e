"""The first part of the script: values, times, counters, and what is done with tuples. See `script`."""

from __future__ import annotations

from typing import Final

from filter_greylist.rules.records import FOREVER, SLACK

GRACE: Final = 600
"""Seconds a record stays with Redis after it expired: servers' clocks differ."""

SPAN: Final = 300
"""Seconds of one counter of tuples."""

LONGEST: Final = 400 * 86_400
"""Seconds for which Redis is asked to keep anything that ends."""

PRELUDE: Final = f"""
local P, LIMIT, ROOM, NOW = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local HOSTS, LEARNED, AGAIN = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local FOREVER, SLACK, GRACE, SPAN, LONGEST = {FOREVER}, {SLACK}, {GRACE}, {SPAN}, {LONGEST}
local change, grown, healed = {{}}, 0, 0
local BOUNDED = {{w = HOSTS, t = HOSTS, p = LEARNED, d = LEARNED}}

local function parse(value)
  if not value then return nil end
  local f, p, e, b, n, rest = string.match(value, '^(%d+) (%d+) (%d+) (%d+) (%d+)(.*)$')
  if not f or #f > 16 or #p > 16 or #e > 16 or #b > 16 or #n > 16 then return nil end
  return {{tonumber(f), tonumber(p), tonumber(e), tonumber(b), tonumber(n)}}, rest
end

local function read(name)
  return parse(redis.call('GET', name))
end

local function text(life)
  return string.format('%.0f %.0f %.0f %.0f %.0f', unpack(life))
end

-- For how many seconds Redis keeps what matters until this time.
local function keep(till)
  return string.format('%.0f', math.max(1, math.min(till - NOW + GRACE, LONGEST)))
end

local function count(expires, more)
  local span = math.floor(expires / SPAN)
  change[span] = (change[span] or 0) + more
  grown = grown + more
end

local function write(name, life, rest)
  if life[3] >= FOREVER then
    redis.call('SET', name, text(life) .. rest)
  else
    redis.call('SET', name, text(life) .. rest, 'EX', keep(life[3]))
  end
end

local run = {{}}
"""

TUPLES: Final = """
local function group_of(rest)
  return string.sub(rest, 2, 7)
end

-- A set lives as long as its last tuple may; its end is put off with every sixteenth, which is exact enough.
local function enlist(group, key, life, size)
  if group == '' then return end
  local set = P .. 'n:' .. group
  redis.call('ZADD', set, life[3], key)
  if size % 16 == 0 then redis.call('EXPIRE', set, keep(2 * life[3] - life[1])) end
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

local function full(size)
  if size >= LIMIT then return '#n' end
  if grown >= ROOM then return '#t' end
end

-- The new tuple is written at once, unless there is one: that is what most attempts come to.
local function first_seen(key, group, life, shown, size)
  local name, fresh = P .. 'g:' .. key, text(life) .. ' ' .. group .. shown
  local was = redis.call('SET', name, fresh, 'NX', 'GET', 'EX', keep(life[3]))
  local old, rest = parse(was)
  if old then return old, rest end
  if was then redis.call('SET', name, fresh, 'EX', keep(life[3])) end
  count(life[3], 1)
  enlist(group, key, life, size)
end

function run.a(i)
  local key, group, shown = ARGV[i], ARGV[i + 4], ARGV[i + 5]
  local now, passtime, grey = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local life = {now, now + passtime, now + grey, 1, 0}
  local size, old, rest = size_of(group, now)
  local no_room = full(size)
  if no_room then
    old, rest = read(P .. 'g:' .. key)
    if not old then return no_room end
  else
    old, rest = first_seen(key, group, life, shown, size)
    if not old then return text(life) end
  end
  if AGAIN and old[1] == now and old[4] == 1 and old[5] == 0 then return text(old) end -- this very attempt made it
  if now >= old[3] then
    forget(key, old, rest)
    if no_room then return no_room end
    first_seen(key, group, life, shown, 0)
    return text(life)
  end
  if old[1] <= now + SLACK then
    if old[5] > 0 or now >= old[2] then
      life = {old[1], old[2], now + grey, old[4], old[5] + 1}
    else
      life = {old[1], old[2], old[3], old[4] + 1, old[5]}
    end
  end
  write_tuple(key, life, rest, old)
  return text(life)
end
"""
