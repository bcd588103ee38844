-- Admission of one request: everything is taken, or nothing, in one atomic step.
--
-- KEYS         one bucket per rate, one set per limit on requests in flight, account and leases per
--              budget, then the principal's revocation markers
-- ARGV[1..6]   now or 0, length of a lease, request id, how many rates, limits in flight and budgets
-- ARGV[7..]    per rate: amount, cost; per limit in flight: amount; per budget: amount, cost, when its
--              period begins and ends
-- returns      { 1 if revoked, 2 if a budget's period is not now, else 0; index of what refuses or 0; now },
--              and after a 0 also, per rate: remaining, time until whole, time until the cost fits; per limit
--              in flight: remaining; per budget: neither spent nor reserved, not spent
local now = clock(ARGV[1])
local lease_end = now + tonumber(ARGV[2])
local id = ARGV[3]
local rates, places, budgets = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local first_budget = rates + places + 1
local first_marker = first_budget + 2 * budgets

if #KEYS >= first_marker and redis.call('EXISTS', unpack(KEYS, first_marker)) > 0 then
  return { 1, 0, now }
end

local refused_by = 0
local function refuse(index)
  if refused_by == 0 then
    refused_by = index
  end
end

local buckets, sets, accounts = {}, {}, {}
local at = 7
for index = 1, rates do
  local per_unit = PERIOD / tonumber(ARGV[at])
  local tat = read_bucket(KEYS[index], now)
  local wanted = tat + tonumber(ARGV[at + 1]) * per_unit
  -- half a microsecond forgives the rounding of PERIOD/amount
  local wait = wanted - now - PERIOD - 0.5
  if wait > 0 then
    refuse(index)
  end
  buckets[index] = { tat = tat, wanted = wanted, wait = math.max(0, wait), per_unit = per_unit }
  at = at + 2
end
for index = 1, places do
  local key = KEYS[rates + index]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', digits(now))
  local free = tonumber(ARGV[at]) - redis.call('ZCARD', key)
  if free < 1 then
    refuse(rates + index)
  end
  sets[index] = { key = key, free = free }
  at = at + 1
end
for index = 1, budgets do
  local account, leases = KEYS[first_budget + 2 * index - 2], KEYS[first_budget + 2 * index - 1]
  local period_begins, period_ends = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  if now < period_begins or now >= period_ends then
    return { 2, 0, now }
  end
  reclaim(account, leases, now)
  local amount, cost = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local spent, reserved = totals(account)
  if cost > 0 and spent + reserved + cost > amount then
    refuse(rates + places + index)
  end
  accounts[index] = {
    account = account, leases = leases, cost = cost, unspent = amount - spent, reserved = reserved,
    milliseconds = math.ceil((period_ends - now) / 1000) + PERIOD_KEPT_MILLISECONDS,
  }
  at = at + 4
end

local admitted = refused_by == 0
local reply = { 0, refused_by, now }
for index, bucket in ipairs(buckets) do
  local tat = bucket.tat
  if admitted then
    tat = bucket.wanted
    write_bucket(KEYS[index], tat, now)
  end
  reply[#reply + 1] = math.max(0, math.floor((PERIOD - (tat - now) + 0.5) / bucket.per_unit))
  reply[#reply + 1] = math.ceil(tat - now)
  reply[#reply + 1] = math.ceil(bucket.wait)
end
for _, set in ipairs(sets) do
  if admitted then
    redis.call('ZADD', set.key, digits(lease_end), id)
    redis.call('PEXPIRE', set.key, math.ceil((lease_end - now) / 1000) + 1000)
    set.free = set.free - 1
  end
  reply[#reply + 1] = math.max(0, set.free)
end
for _, budget in ipairs(accounts) do
  if admitted then
    redis.call('HSET', budget.account, id, digits(budget.cost) .. ':0')
    redis.call('HINCRBY', budget.account, 'reserved', digits(budget.cost))
    redis.call('ZADD', budget.leases, digits(lease_end), id)
    redis.call('PEXPIRE', budget.account, budget.milliseconds)
    redis.call('PEXPIRE', budget.leases, budget.milliseconds)
    budget.reserved = budget.reserved + budget.cost
  end
  reply[#reply + 1] = math.max(0, budget.unspent - budget.reserved)
  reply[#reply + 1] = math.max(0, budget.unspent)
end
return reply
