"""placeholder for integration, replaced by the validation package"""


class Validator:
    def issues(self, resource):
        return iter(())
