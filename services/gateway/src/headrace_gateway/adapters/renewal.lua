-- Renewal of what one running request holds, and more of its budgets if that is asked for.
--
-- A request whose lease had ended though its gateway lives reserves again what it held, as far as there
-- is something left. What was given back because it was settled stays so, and so does its place.
--
-- KEYS         one set per limit on requests in flight, then account and leases per budget
-- ARGV[1..7]   now or 0, length of a lease, request id, how many limits in flight, what the request has
--              spent so far, what it holds of every budget, how much more to reserve
-- ARGV[7..]    amount, per budget
-- returns      how much more was reserved of every budget: what was asked for, or what there is
local now = clock(ARGV[1])
local lease_end = now + tonumber(ARGV[2])
local id = ARGV[3]
local places = tonumber(ARGV[4])
local used, held, more = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

for index = 1, places do
  redis.call('ZADD', KEYS[index], 'XX', digits(lease_end), id)
  redis.call('PEXPIRE', KEYS[index], math.ceil((lease_end - now) / 1000) + 1000)
end

local live = {}
for index = 1, (#KEYS - places) / 2 do
  local account, leases = KEYS[places + 2 * index - 1], KEYS[places + 2 * index]
  local amount = tonumber(ARGV[7 + index])
  local reserved, counted = entry(account, id)
  if reserved then
    if not redis.call('ZSCORE', leases, id) then
      local spent, reserved_by_all = totals(account)
      reserved = math.max(used, math.min(held, amount - (spent - counted) - reserved_by_all))
      redis.call('HINCRBY', account, 'spent', digits(0 - counted))
      redis.call('HINCRBY', account, 'reserved', digits(reserved))
    end
    redis.call('ZADD', leases, digits(lease_end), id)
    redis.call('PEXPIRE', leases, redis.call('PTTL', account))
    redis.call('HSET', account, id, digits(reserved) .. ':' .. digits(used))
    live[#live + 1] = { account = account, reserved = reserved }
  else
    more = 0
  end
  if more > 0 then
    reclaim(account, leases, now)
    local spent, reserved_by_all = totals(account)
    more = math.max(0, math.min(more, amount - spent - reserved_by_all))
  end
end
if more > 0 then
  for _, budget in ipairs(live) do
    redis.call('HINCRBY', budget.account, 'reserved', digits(more))
    redis.call('HSET', budget.account, id, digits(budget.reserved + more) .. ':' .. digits(used))
  end
end
return more
