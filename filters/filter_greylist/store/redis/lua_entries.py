"""The second part of the script: white and trapped addresses, trap addresses, pairs and domains. See `script`."""

from __future__ import annotations

from typing import Final

LOGGED: Final = 10_000
"""Changes in the log."""

ENTRIES: Final = f"""
function run.c(i)
  local v = redis.call('MGET', P .. 'w:' .. ARGV[i], P .. 't:' .. ARGV[i], P .. 's:' .. ARGV[i + 1],
    P .. 'p:' .. ARGV[i + 2], P .. 'd:' .. ARGV[i + 3])
  for j = 1, 5 do
    local life = v[j] and parse(v[j])
    v[j] = life and text(life) or ''
  end
  return table.concat(v, '|')
end

-- What is no tuple was changed: for those who keep copies.
local function tell(kind, name)
  local log = P .. 'log'
  local done = redis.pcall('XADD', log, 'MAXLEN', '~', {LOGGED}, '*', 'k', kind, 'n', name)
  if type(done) == 'table' and done.err and string.find(done.err, 'WRONGTYPE', 1, true) then
    redis.call('DEL', log)
    healed = healed + 1
  end
end

-- Whether there is room for one more of what is bounded by its kind.
local function has_room(kind)
  local set = P .. 'x:' .. kind
  local size = redis.call('ZCARD', set)
  if size >= BOUNDED[kind] or size % 64 == 63 then
    redis.call('ZREMRANGEBYSCORE', set, '-inf', NOW)
    size = redis.call('ZCARD', set)
  end
  return size < BOUNDED[kind]
end

-- Two accounts of a record as one: the counters are added, or the higher one counts.
local function joined(old, life, add)
  local more = add and function(one, two) return one + two end or math.max
  return {{math.min(old[1], life[1]), math.min(old[2], life[2]), math.max(old[3], life[3]),
    more(old[4], life[4]), more(old[5], life[5])}}
end

local function store(i, how)
  local kind, name, rest = ARGV[i], ARGV[i + 1], ARGV[i + 7]
  local life = {{}}
  for j = 1, 5 do life[j] = tonumber(ARGV[i + 1 + j]) end
  local old, old_rest = read(P .. kind .. ':' .. name)
  if old then
    if how ~= 'p' then life = joined(old, life, how == 'm' and not AGAIN) end
    rest = old_rest
  elseif kind == 'g' then
    if how == 'm' and grown >= ROOM then return '#t' end
  elseif how == 'r' and redis.call('EXISTS', P .. 'z:' .. kind .. ':' .. name) == 1 then
    return ''
  elseif how ~= 'p' and BOUNDED[kind] and not has_room(kind) then
    return '#h'
  end
  if kind == 'g' then
    write_tuple(name, life, rest, old)
    return text(life)
  end
  write(P .. kind .. ':' .. name, life, rest)
  if BOUNDED[kind] then redis.call('ZADD', P .. 'x:' .. kind, life[3], name) end
  if not old then redis.call('DEL', P .. 'z:' .. kind .. ':' .. name) end
  tell(kind, name)
  return text(life)
end

function run.m(i) return store(i, 'm') end

function run.p(i) return store(i, 'p') end

function run.r(i) return store(i, 'r') end

local function remove(i, for_good)
  local kind, name = ARGV[i], ARGV[i + 1]
  local old, rest = read(P .. kind .. ':' .. name)
  if BOUNDED[kind] then redis.call('ZREM', P .. 'x:' .. kind, name) end
  if not old then return '' end
  redis.call('DEL', P .. kind .. ':' .. name)
  if kind == 'g' then
    count(old[3], -1)
    redis.call('ZREM', P .. 'n:' .. group_of(rest), name)
  elseif for_good then
    redis.call('SET', P .. 'z:' .. kind .. ':' .. name, '1', 'EX', keep(old[3]))
    tell(kind, name)
  end
  return text(old)
end

function run.d(i) return remove(i, true) end

function run.e(i) return remove(i, false) end
"""
