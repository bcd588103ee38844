-- What admission, renewal and settlement share; put before each of them. Times are microseconds.
--
-- A rate is a bucket by the generic cell rate algorithm (ITU-T I.371): one number, the theoretical
-- arrival time `tat` at which the bucket would be whole again. A limit of `amount` per minute adds
-- PERIOD/amount to it per unit and never lets it run more than one period ahead.
--
-- A limit on requests in flight is a sorted set of request ids by when their leases end.
--
-- A budget in one period is two keys. The account, a hash: `spent` and `reserved` in millionths, and
-- for each request that has reserved "reserved:used". The leases, a sorted set as above. Whoever has
-- no lease any more but stands in the account was reclaimed, and what stands there as used is spent.
local PERIOD = 60000000
local RECLAIMED_AT_ONCE = 100
-- longer than a bucket needs: keys go by this server's clock, also where `now` stands still for tests
local KEPT_MILLISECONDS = 60000
-- how long a period is known after its end, for those that are settled only then
local PERIOD_KEPT_MILLISECONDS = 24 * 60 * 60 * 1000

-- `given` replaces this server's own clock where it is not 0: tests freeze time, nobody else does
local function clock(given)
  if tonumber(given) ~= 0 then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Lua's own tostring would round numbers of this size; `-0` is no integer to Redis
local function digits(number)
  return string.format('%.0f', number)
end

local function read_bucket(key, now)
  return math.max(now, tonumber(redis.call('GET', key) or '0'))
end

local function write_bucket(key, tat, now)
  if tat > now then
    redis.call('SET', key, digits(tat), 'PX', math.ceil((tat - now) / 1000) + KEPT_MILLISECONDS)
  else
    redis.call('DEL', key)
  end
end

local function entry(account, id)
  local reserved, used = string.match(redis.call('HGET', account, id) or '', '^(%d+):(%d+)$')
  return tonumber(reserved), tonumber(used)
end

-- Requests whose lease has ended have nobody who would settle them: what they had used is spent, and
-- the rest is given back. The entry stays with what was counted, should somebody settle after all.
local function reclaim(account, leases, now)
  local ended = redis.call('ZRANGEBYSCORE', leases, '-inf', digits(now), 'LIMIT', 0, RECLAIMED_AT_ONCE)
  for _, id in ipairs(ended) do
    local reserved, used = entry(account, id)
    if reserved then
      redis.call('HINCRBY', account, 'reserved', digits(0 - reserved))
      redis.call('HINCRBY', account, 'spent', digits(used))
      redis.call('HSET', account, id, '0:' .. digits(used))
    end
    redis.call('ZREM', leases, id)
  end
end

local function totals(account)
  local both = redis.call('HMGET', account, 'spent', 'reserved')
  return tonumber(both[1] or '0'), tonumber(both[2] or '0')
end
