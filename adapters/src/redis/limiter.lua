-- Decides one event of the bucket KEYS[1] by GCRA, in the arithmetic of PerMinute::decide (core/src/domain/rate.rs) and
-- by the clock of this server, which all replicas share. What is full again expires: it says the same as what is not
-- there.
--
-- ARGV: what an event takes and what the bucket holds, in microseconds, and 1 to count it or 0 only to look.
-- Returns 1 if the event is allowed, else 0, and how much of the bucket is then in use.
local interval, depth, take = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local arrival = tonumber(redis.call('GET', KEYS[1]) or now)
local used = math.min(math.max(arrival - now, 0), depth)
local allowed = used + interval <= depth
if take then
    if allowed then
        used = used + interval
    end
    -- Refused ones are written too: after the clock was set back the bucket is no further ahead than it may be.
    redis.call('SET', KEYS[1], string.format('%.0f', now + used), 'PX', math.ceil(used / 1000))
end
return { allowed and 1 or 0, used }
