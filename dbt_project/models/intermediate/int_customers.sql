-- Customers of every enabled source; one row per customer.
-- Of a customer that several sources deliver, the version that was written last.
{{ newest_of_sources('customers', 'customer_id', updated='updated_at') }}
